package receipt_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

const goldenDir = "../../testdata/documents/v1/receipt"

func into[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(raw []byte) (any, error) { return parse(raw) }
}

// id returns an object ID of one repeated byte.
func id(b byte) (o crdt.ObjectID) {
	for i := range o {
		o[i] = b
	}
	return o
}

func goldenTill() (till crdt.TillID) {
	for i := range till {
		till[i] = 0xee
	}
	return till
}

// typicalLine is what most lines of a shop look like.
func typicalLine() receipt.Line {
	return receipt.Line{Article: id(0xaa), Name: "Ostfriesentee", Group: id(0xbb), GroupName: "Speisen", Quantity: 1000,
		UnitPrice: 350, Currency: "EUR", Tax: receipt.TaxRef{ID: id(0xcc), Key: "1", Rate: 1900}, Case: receipt.SaleCase,
		Till: goldenTill(), MS: 1_788_000_000_000}
}

func fullLine() receipt.Line {
	list := receipt.Amount(0)
	l := typicalLine()
	l.Number, l.GTIN, l.Short, l.Quantity, l.Unit = "101", "4006381333931", "Tee", -1500, "kg"
	l.ListPrice, l.Overridden, l.Currency, l.Takeaway, l.Case = &list, true, "CHF", true, "Pfand"
	l.Modifiers, l.User = []string{"ohne Zucker", "heiß"}, "Jule"
	return l
}

type writable interface{ Bytes() []byte }

type editable interface {
	Check() error
	Edit(old []byte) ([]byte, error)
}

// samples hold every register and item, with little and with everything in it.
var samples = []struct {
	file  string
	value any // editable or writable
	parse func([]byte) (any, error)
}{
	{"tab.head", receipt.Head{OpenedMS: 1_788_000_000_000, Till: goldenTill()}, into(receipt.ParseHead)},
	{"tab.head.full", receipt.Head{Name: "Tisch 7", OpenedMS: 1_788_000_000_000, Till: goldenTill(), User: "Jule", Shared: true}, into(receipt.ParseHead)},
	{"tab.note", receipt.Note{Text: "Allergie:\nNüsse"}, into(receipt.ParseNote)},
	{"tab.customer", receipt.Customer{ID: id(0xdd), Number: "D-1001", Name: "Reederei Knurrhahn"}, into(receipt.ParseCustomer)},
	{"tab.merge", receipt.Merge{Into: id(0xaa)}, into(receipt.ParseMerge)},
	{"tab.claim", receipt.Claim{Till: goldenTill(), User: "Jule", Epoch: 3, MS: 1_788_000_000_000}, into(receipt.ParseClaim)},
	{"line", typicalLine(), into(receipt.ParseLine)},
	{"line.full", fullLine(), into(receipt.ParseLine)},
	{"line.open", receipt.Line{Name: "Diverses", Quantity: 1000, UnitPrice: 500, Currency: "EUR", Tax: receipt.TaxRef{Rate: 700}, Case: receipt.SaleCase,
		Till: goldenTill(), MS: 1}, into(receipt.ParseLine)},
	{"line.loc", receipt.Location{Tab: id(0xaa)}, into(receipt.ParseLocation)},
	{"void", receipt.Void{Line: id(0xaa), Till: goldenTill(), MS: 1_788_000_000_000}, into(receipt.ParseVoid)},
	{"void.full", receipt.Void{Line: id(0xaa), Quantity: 500, Reason: "Bruch", User: "Jule", Till: goldenTill(), MS: 1_788_000_000_000}, into(receipt.ParseVoid)},
	{"discount.percent", receipt.Discount{Target: id(0xaa), On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: 1000, Till: goldenTill(), MS: 1}, into(receipt.ParseDiscount)},
	{"discount.full", receipt.Discount{Target: id(0xaa), On: receipt.OnTab, Kind: receipt.DiscountAmount, Amount: 250, Reason: "Stammgast", User: "Jule",
		Till: goldenTill(), MS: 1_788_000_000_000}, into(receipt.ParseDiscount)},
	{"payment", receipt.Payment{Tab: id(0xaa), Type: receipt.CashType, Amount: 1234, Tendered: 1234, Till: goldenTill(), MS: 1_788_000_000_000}, into(receipt.ParsePayment)},
	{"payment.full", receipt.Payment{Tab: id(0xaa), Type: receipt.CashType, Name: "Franken", Amount: 1234, Tendered: 2000,
		Foreign: &receipt.DocForeign{Currency: "CHF", Amount: 1900}, User: "Jule", Till: goldenTill(), MS: 1_788_000_000_000}, into(receipt.ParsePayment)},
	{"payment.card", receipt.Payment{Tab: id(0xaa), Type: "ECKarte", Amount: -5, Tendered: -5, Till: goldenTill(), MS: 1}, into(receipt.ParsePayment)},
	{"payment.progress", receipt.Progress{State: receipt.PaymentCaptured, MS: 1_788_000_000_000}, into(receipt.ParseProgress)},
	{"payment.back", receipt.Payment{Tab: id(0xaa), Receipt: id(0xaa), Type: "ECKarte", Amount: -680, Tendered: -680, Till: goldenTill(), MS: 1}, into(receipt.ParsePayment)},
	{"payment.progress.card", receipt.Progress{State: receipt.PaymentCaptured, MS: 1_788_000_000_000, Card: receipt.Card{Terminal: "52000017",
		Kind: "girocard ****1234", Trace: "000042/17", Authorisation: "A7-22"}}, into(receipt.ParseProgress)},
	{"payment.progress.decided", receipt.Progress{State: receipt.PaymentDeclined, MS: 1_788_000_000_000, ByHand: true}, into(receipt.ParseProgress)},
	{"line.training", trainingLine(), into(receipt.ParseLine)},
	{"receipt", receipt.Receipt{Signed: receipt.Signed{Document: []byte(`{"version":1}`), Signature: make([]byte, 64), Key: make([]byte, 32)},
		Series: "K2", Number: 418, BusinessDay: "2026-09-03"}, into(receipt.ParseReceipt)},
	{"opening", receipt.Opening{Signed: receipt.Signed{Document: []byte(`{"version":1}`), Signature: make([]byte, 64), Key: make([]byte, 32)},
		Series: "K2b"}, into(receipt.ParseOpening)},
	{"release", receipt.Release{Receipt: id(0xaa), Till: goldenTill(), User: "Jule", MS: 1_788_000_000_000, Copies: 1, Wanted: 2}, into(receipt.ParseRelease)},
	{"release.full", receipt.Release{Receipt: id(0xaa), Till: goldenTill(), User: "Jule", Reason: "Kasse 2 ist aus", MS: 1_788_000_000_000, Copies: 2, Wanted: 50},
		into(receipt.ParseRelease)},
	{"tab.head.training", receipt.Head{Name: "Übung", OpenedMS: 1_788_000_000_000, Till: goldenTill(), Training: true}, into(receipt.ParseHead)},
	{"line.voucher", voucherLine(), into(receipt.ParseLine)},
	{"order", receipt.Order{Tab: id(0xaa), Lines: []crdt.ObjectID{id(0xbb), id(0xcc)}, Till: goldenTill(), User: "Jule", MS: 1_788_000_000_000,
		Security: receipt.Object{{Name: "counter", Value: receipt.Int(21)}, {Name: "signature", Value: receipt.String("HSmI==")}}}, into(receipt.ParseOrder)},
	{"refund", receipt.Refund{Of: id(0xaa), By: id(0xbb), MS: 1_788_000_000_000, Lines: []receipt.Taken{{Line: id(0xcc), Quantity: 500},
		{Line: id(0xdd), Quantity: 1_000_000}}}, into(receipt.ParseRefund)},
	{"resolution", receipt.Resolution{Case: id(0xaa), Kind: "double", Decision: "kept", Till: goldenTill(), MS: 1}, into(receipt.ParseResolution)},
	{"resolution.full", receipt.Resolution{Case: id(0xaa), Kind: "double", Decision: "cancelled", Receipts: []crdt.ObjectID{id(0xbb), id(0xcc)},
		Done: []crdt.ObjectID{id(0xdd)}, Reason: "zweimal kassiert", Till: goldenTill(), User: "Jule", MS: 1_788_000_000_000}, into(receipt.ParseResolution)},
	{"closing", receipt.ClosingItem{Signed: receipt.Signed{Document: []byte(`{"version":1}`), Signature: make([]byte, 64), Key: make([]byte, 32)},
		Series: "K2", Number: 17, BusinessDay: "2026-09-03", From: 401, To: 418}, into(receipt.ParseClosing)},
	{"closing.first", receipt.ClosingItem{Signed: receipt.Signed{Document: []byte(`{"version":1}`), Signature: make([]byte, 64), Key: make([]byte, 32)},
		Series: "K2b", Number: 1, BusinessDay: "2026-09-03"}, into(receipt.ParseClosing)},
}

func voucherLine() receipt.Line {
	l := typicalLine()
	l.Name, l.Case, l.CaseName, l.Voucher, l.Tax = "Gutschein", "MehrzweckgutscheinKauf", "Geschenkkarte", "G-4711", receipt.TaxRef{Key: receipt.KeyNotTaxable}
	return l
}

func trainingLine() receipt.Line {
	l := typicalLine()
	l.Training = true
	return l
}

func sampleBytes(t *testing.T, value any) []byte {
	t.Helper()
	if w, ok := value.(writable); ok {
		return w.Bytes()
	}
	e := value.(editable)
	require.NoError(t, e.Check())
	raw, err := e.Edit(nil)
	require.NoError(t, err)
	return raw
}

func TestGoldenItems(t *testing.T) {
	want := make(map[string]bool)
	for _, s := range samples {
		raw := sampleBytes(t, s.value)
		path := filepath.Join(goldenDir, s.file+".hex")
		if *update {
			require.NoError(t, os.MkdirAll(goldenDir, 0o755))
			require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(raw)+"\n"), 0o644))
		}
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(kept)), hex.EncodeToString(raw), s.file)
		back, err := s.parse(raw)
		require.NoError(t, err)
		require.Equal(t, s.value, back, s.file)
		want[s.file+".hex"] = true
	}
	files, err := os.ReadDir(goldenDir)
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, want[f.Name()], "%s belongs to no sample", f.Name())
	}
}

func TestTypicalLineIsSmall(t *testing.T) {
	raw := typicalLine().Bytes()
	t.Logf("typical line: %d bytes", len(raw))
	require.LessOrEqual(t, len(raw), 150)
}

// FuzzItems holds that foreign bytes are refused or read to a value that is within the rules, and never stop a view.
func FuzzItems(f *testing.F) {
	for _, s := range samples {
		if w, ok := s.value.(writable); ok {
			f.Add(w.Bytes())
		} else if raw, err := s.value.(editable).Edit(nil); err == nil {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, s := range samples {
			v, err := s.parse(raw)
			if err != nil {
				continue
			}
			require.NoError(t, v.(interface{ Check() error }).Check())
			if w, ok := v.(writable); ok {
				again, err := s.parse(w.Bytes())
				require.NoError(t, err)
				if l, isLine := again.(receipt.Line); !isLine || l.ListPrice != nil {
					require.Equal(t, v, again)
				}
			}
		}
		part := receipt.Part{ID: object(1), Item: raw}
		receipt.View(receipt.Parts{Tab: part, Lines: []receipt.Part{part}, Voids: []receipt.Part{part}, Payments: []receipt.Part{part}})
	})
}

func BenchmarkView(b *testing.B) {
	for _, n := range []int{8, 500} {
		p := receipt.Parts{Tab: receipt.Part{ID: object(1)}}
		for i := range n {
			p.Lines = append(p.Lines, receipt.Part{ID: crdt.ObjectID{1, byte(i >> 8), byte(i)}, Item: typicalLine().Bytes()})
		}
		b.Run(map[int]string{8: "8 lines", 500: "500 lines"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				receipt.View(p)
			}
		})
	}
}
