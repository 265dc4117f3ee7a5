package receipt_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

var update = flag.Bool("update", false, "write the golden files of this package instead of comparing with them")

// golden compares got with a file of the first format, which never changes: archived documents look like this.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "receipt", "v1", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
}

// everything is a receipt that uses each field at least once.
func everything(t *testing.T) receipt.Document {
	d := sample(t, 418, 4)
	list := receipt.Amount(350)
	hash := receipt.Hash([]byte("another document"))
	d.Training = true
	d.Note = "Allergie: Nüsse\n\"Tisch am Fenster\" \u2028 😀"
	d.Shop.VATID = "DE123456789"
	d.Customer = &receipt.DocCustomer{ID: object(90), Number: "D-1001", Name: "Reederei Knurrhahn", Kind: "company", VATID: "DE999999999",
		Address: receipt.DocAddress{Street: "Deichstraße 1", Postcode: "26506", Town: "Norden", Country: "DEU"}}
	l := &d.Lines[1]
	l.Overridden, l.ListPrice, l.Unit, l.CaseName, l.Agency, l.Voucher = true, &list, "kg", "Küche", 1, "G-77"
	l.Quantity, l.TaxKind, l.Modifiers = 350, receipt.Takeaway, []string{"ohne Zwiebeln", "extra Dill"}
	l.Group.Number = "20"
	d.Lines = append(d.Lines,
		receipt.DocLine{ID: object(5), Name: "Pfand zurück", Quantity: 4000, UnitPrice: -25, Tax: general, Case: "PfandRueckzahlung",
			Till: tillID(), Time: d.Opened},
		receipt.DocLine{ID: object(6), Name: "Briefmarke", Quantity: -1000, UnitPrice: 95, Tax: untaxed, Case: receipt.SaleCase,
			Till: crdt.TillID{1}, Time: d.Opened, Discounts: []receipt.DocDiscount{{ID: object(131), Kind: receipt.DiscountAmount,
				Amount: 5, User: "Jule", Till: tillID(), Time: d.Opened}}},
		receipt.DocLine{ID: object(7), Name: "Vertippt", Quantity: 1000, UnitPrice: 99900, Tax: untaxed, Case: receipt.SaleCase,
			Till: tillID(), Time: d.Opened})
	d.Voids = append(d.Voids, receipt.DocVoid{ID: object(111), Line: object(7), Till: tillID(), Time: d.Closed})
	d.Discounts = append(d.Discounts, receipt.DocDiscount{Kind: receipt.DiscountPercent, Percent: 500})
	d.References = []receipt.DocReference{{Kind: "refund", ID: object(91), Till: tillID(), Series: "K1", Number: 17, Hash: &hash,
		Line: object(92), Quantity: 1000, Name: "alt"}}
	d.Security = receipt.Object{{Name: "error", Value: receipt.String("TSE ausgefallen")}}
	d.Unknown = receipt.Object{{Name: "zzz", Value: receipt.Null{}}}
	require.NoError(t, d.FillTotals())
	d.Totals.Rates[2].Name = "steuerfrei"
	pay(t, &d)
	d.Payments[0].Tendered -= 500
	d.Payments = append(d.Payments, receipt.DocPayment{ID: object(121), Type: "Bar", Tendered: 500, Till: tillID(), Time: d.Closed,
		Foreign: &receipt.DocForeign{Currency: "CHF", Amount: 470}, Progress: receipt.PaymentCaptured})
	require.NoError(t, d.FillTotals())
	require.Empty(t, d.Check())
	return d
}

func TestGoldenDocuments(t *testing.T) {
	refund := sample(t, 419, 3)
	for i := range refund.Lines {
		refund.Lines[i].Quantity = -refund.Lines[i].Quantity
	}
	refund.References = []receipt.DocReference{{Kind: "refund", Till: tillID(), Series: "K2", Number: 418}}
	require.NoError(t, refund.FillTotals())
	refund.Payments[0].Tendered, refund.Payments[0].Change = refund.Totals.Gross, 0
	require.NoError(t, refund.FillTotals())
	var hashes strings.Builder
	for _, c := range []struct {
		name string
		d    receipt.Document
	}{
		{"receipt.json", sample(t, 417, 3)},
		{"everything.json", everything(t)},
		{"refund.json", refund},
		{"opening.json", opening()},
		{"void.json", failure(420)},
	} {
		require.Empty(t, c.d.Check(), c.name)
		b, err := c.d.Canonical()
		require.NoError(t, err)
		golden(t, c.name, b)
		parsed, err := receipt.ParseDocument(b)
		require.NoError(t, err)
		require.Empty(t, parsed.Check(), c.name)
		fmt.Fprintf(&hashes, "%s  %s\n", receipt.Hash(b), c.name)
	}
	golden(t, "hashes.txt", []byte(hashes.String()))
}

// TestGoldenDocumentsOfTheJournal pins what was added to the first format: all of it optional, so that older documents keep
// their bytes.
func TestGoldenDocumentsOfTheJournal(t *testing.T) {
	sold := sample(t, 430, 3)
	sold.ID, sold.Tabs[0].Name = receipt.ReceiptID(sold.Shop.ID, sold.Till.ID, sold.Series, sold.Number), "Tisch 9"
	sold.Orders = []receipt.DocOrder{{ID: object(140), Till: tillID(), Time: sold.Opened, Lines: []crdt.ObjectID{object(1), object(2)},
		Security: receipt.Object{{Name: "transaction", Value: receipt.Int(11)}}}}
	sold.Lines[2].Case, sold.Lines[2].Tax, sold.Lines[2].Voucher, sold.Lines[2].CaseName = "MehrzweckgutscheinKauf", receipt.TaxRef{Key: "5"}, "G-1", "Geschenkkarte"
	require.NoError(t, sold.FillTotals())
	pay(t, &sold)
	cancel, err := receipt.Mirror(sold, nil, nil, otherTill, "Ole", takenAt)
	require.NoError(t, err)
	refund, err := receipt.Mirror(sold, []receipt.Taken{{Line: object(2), Quantity: 333}}, nil, otherTill, "Ole", takenAt)
	require.NoError(t, err)
	training := sample(t, 436, 1)
	training.Training = true
	z := built(t)
	var hashes strings.Builder
	for _, c := range []struct {
		name string
		d    receipt.Document
	}{
		{"journal-sale.json", sold},
		{"journal-cancel.json", takeBack(t, cancel, 431)},
		{"journal-refund.json", takeBack(t, refund, 432)},
		{"journal-cash.json", cashMove(t, 433, receipt.CaseTransit, -20_000)},
		{"journal-aborted.json", aborted(t, 434)},
		{"journal-control.json", control(435)},
		{"journal-training.json", training},
	} {
		require.Empty(t, c.d.Check(), c.name)
		b, err := c.d.Canonical()
		require.NoError(t, err)
		golden(t, c.name, b)
		parsed, err := receipt.ParseDocument(b)
		require.NoError(t, err)
		require.Empty(t, parsed.Check(), c.name)
		fmt.Fprintf(&hashes, "%s  %s\n", receipt.Hash(b), c.name)
	}
	golden(t, "closing.json", z.Item.Document)
	parsed, err := receipt.ParseZReport(z.Item.Document)
	require.NoError(t, err)
	require.NoError(t, parsed.Check())
	fmt.Fprintf(&hashes, "%s  closing.json\n", z.Hash)
	fmt.Fprintf(&hashes, "%s  first closing of K2\n", receipt.FirstZ(crdt.ShopID{1, 2, 3}, tillID(), "K2"))
	golden(t, "journal-hashes.txt", []byte(hashes.String()))
}

func TestGoldenChain(t *testing.T) {
	docs := chain(t, 5)
	list := "# number, SHA-256 of the document, signature, public key; the document is chain-NUMBER.json\n"
	for i, s := range docs {
		golden(t, fmt.Sprintf("chain-%d.json", i+1), s.Document)
		list += fmt.Sprintf("%d %s %s %s\n", i+1, receipt.Hash(s.Document), hex.EncodeToString(s.Signature), hex.EncodeToString(s.Key))
	}
	golden(t, "chain.txt", []byte(list))
	require.True(t, verify(t, docs, expected()).OK())
}

// TestGoldenDocumentWithACard pins what a card terminal said on a receipt. A document without it keeps its bytes, which the
// goldens before prove.
func TestGoldenDocumentWithACard(t *testing.T) {
	d := sample(t, 440, 2)
	pay(t, &d)
	d.Payments[0].Tendered, d.Payments[0].Change = d.Totals.Gross, 0
	d.Payments[0].Type, d.Payments[0].Progress = "ECKarte", receipt.PaymentCaptured
	d.Payments[0].Card = receipt.Card{Terminal: "52000017", Kind: "girocard ****1234", Trace: "000042/17", Authorisation: "A7-22"}.Document()
	require.NoError(t, d.FillTotals())
	require.Empty(t, d.Check())
	b, err := d.Canonical()
	require.NoError(t, err)
	golden(t, "card.json", b)
	golden(t, "card-hash.txt", []byte(receipt.Hash(b).String()+"\n"))
	parsed, err := receipt.ParseDocument(b)
	require.NoError(t, err)
	require.Equal(t, d.Payments[0].Card, parsed.Payments[0].Card)
	parsed.Payments[0].Card.Trace = strings.Repeat("x", receipt.MaxText+1)
	require.NotEmpty(t, parsed.Check())
}
