package printer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/printer"
)

func sample(t *testing.T) []byte {
	t.Helper()
	till := crdt.TillID{2}
	d := receipt.Document{
		Version: receipt.DocumentVersion, Kind: receipt.KindReceipt, ID: crdt.ObjectID{9}, Shop: receipt.DocShop{ID: crdt.ShopID{7}, Name: "Café Möwe", TaxID: "12/345",
			Address: receipt.DocAddress{Street: "Hafen 1", Postcode: "24103", Town: "Kiel"}},
		Till: receipt.DocTill{ID: till, Name: "Theke", Serial: "1"}, Replica: crdt.ReplicaID{3}, Series: "K2", Number: 418, Currency: "EUR",
		Opened: "2026-09-03T10:00:00+02:00", Closed: "2026-09-03T10:05:00+02:00", BusinessDay: "2026-09-03", User: "Anna",
		Lines: []receipt.DocLine{
			{ID: crdt.ObjectID{1}, Name: "Espresso mit einem sehr langen Namen, der nicht passt", Quantity: 2500, UnitPrice: 200, Tax: receipt.TaxRef{Key: "1", Rate: 1900}, Case: "Umsatz", Till: till, Time: "2026-09-03T10:01:00+02:00"},
			{ID: crdt.ObjectID{2}, Name: "Void", Quantity: 1000, UnitPrice: 200, Tax: receipt.TaxRef{Key: "1", Rate: 1900}, Case: "Umsatz", Till: till, Time: "2026-09-03T10:01:00+02:00"},
		},
		Voids:    []receipt.DocVoid{{ID: crdt.ObjectID{4}, Line: crdt.ObjectID{2}, Till: till, Time: "2026-09-03T10:02:00+02:00"}},
		Payments: []receipt.DocPayment{{ID: crdt.ObjectID{3}, Type: "Bar", Tendered: 1000, Change: 500, Till: till, Time: "2026-09-03T10:05:00+02:00"}},
	}
	require.NoError(t, d.FillTotals())
	raw, err := d.Canonical()
	require.NoError(t, err)
	return raw
}

func TestAReceiptAsText(t *testing.T) {
	text, err := printer.Receipt(sample(t), "", printer.Signing{QR: strings.Repeat("q", 100), Outage: "Sicherheitseinrichtung ausgefallen"})
	require.NoError(t, err)
	for _, want := range []string{"Café Möwe", "24103 Kiel", "K2-000418", "2,5 x Espresso", "je 2,00", "Summe EUR                             5,00", "19 % netto 4,20", "Rückgeld"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "Void", "nothing is left of it")
	require.NotContains(t, text, "KOPIE")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 42, line)
	}
	copied, err := printer.Receipt(sample(t), "Kopie 2", printer.Signing{})
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(copied, "*** KOPIE 2 ***"), "at the top and at the end")
	_, err = printer.Receipt([]byte("paper"), "", printer.Signing{})
	require.ErrorIs(t, err, receipt.ErrCanonical)
}

func TestAFileIsAPrinter(t *testing.T) {
	f := printer.File{Path: filepath.Join(t.TempDir(), "paper")}
	require.NoError(t, f.Print("one"))
	require.NoError(t, f.Print("two"))
	b, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	require.Equal(t, "one\ftwo\f", string(b))
	require.Error(t, printer.File{Path: t.TempDir()}.Print("no paper"))
}

func TestAReceiptShowsWhatTheTerminalSaid(t *testing.T) {
	d, err := receipt.ParseDocument(sample(t))
	require.NoError(t, err)
	d.Payments[0] = receipt.DocPayment{ID: crdt.ObjectID{3}, Type: "ECKarte", Tendered: 500, Progress: receipt.PaymentCaptured, Till: d.Till.ID, Time: d.Closed,
		Card: receipt.Card{Terminal: "52000017", Kind: "girocard ****1234", Trace: "000042", Authorisation: "A7"}.Document()}
	require.NoError(t, d.FillTotals())
	raw, err := d.Canonical()
	require.NoError(t, err)
	text, err := printer.Receipt(raw, "", printer.Signing{})
	require.NoError(t, err)
	for _, want := range []string{"  girocard ****1234\n", "  Terminal 52000017\n", "  Trace 000042\n", "  Genehmigung A7\n"} {
		require.Contains(t, text, want)
	}
}
