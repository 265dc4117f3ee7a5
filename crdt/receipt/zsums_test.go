package receipt_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// anyDay is what a till issues in a period: receipts, cancellations, refunds, movements of cash, practice, tabs given up,
// control documents and a number without a receipt.
func anyDay(t testing.TB, r *rand.Rand, n int) (docs []receipt.Document) {
	var sold []receipt.Document
	for number := int64(1); number <= int64(n); number++ {
		d := anyReceipt(t, r, number)
		switch r.IntN(10) {
		case 0:
			d = cashMove(t, number, pick(r, receipt.CaseFloat, receipt.CaseTransit, receipt.CaseIn, receipt.CaseOut), receipt.Amount(r.IntN(20_000)-10_000))
		case 1:
			d.Training = true
		case 2:
			d = aborted(t, number)
		case 3:
			d = control(number)
		case 4:
			d = failure(number)
		case 5, 6:
			if len(sold) > 0 {
				of := pick(r, sold...)
				if m, err := receipt.Mirror(of, anyTakes(r, &of, nil), nil, otherTill, "Ole", takenAt); err == nil && len(m.Lines) > 0 {
					d = takeBack(t, m, number)
				}
			}
		case 7:
			d.Security = receipt.Object{{Name: receipt.SecurityError, Value: receipt.String("TSE ausgefallen")}}
		}
		if d.Kind == receipt.KindReceipt && !d.Training && len(d.References) == 0 {
			sold = append(sold, d)
		}
		docs = append(docs, d)
	}
	return docs
}

// cashMove is a movement of cash: one line, one payment.
func cashMove(t testing.TB, number int64, what string, amount receipt.Amount) receipt.Document {
	d := header(receipt.KindReceipt, number)
	if amount == 0 {
		amount = 5000
	}
	d.Reason = "Wechselgeld"
	d.Lines = []receipt.DocLine{{ID: object(5), Name: what, Quantity: 1000, UnitPrice: amount, Tax: receipt.TaxRef{Key: receipt.KeyNotTaxable}, Case: what,
		Till: tillID(), Time: d.Closed}}
	d.Payments = []receipt.DocPayment{{ID: object(120), Type: receipt.CashType, Tendered: amount, Till: tillID(), Time: d.Closed}}
	require.NoError(t, d.FillTotals())
	return d
}

func aborted(t testing.TB, number int64) receipt.Document {
	d := sample(t, number, 2)
	d.Kind, d.Reason, d.Payments = receipt.KindAborted, "Gast gegangen", nil
	require.NoError(t, d.FillTotals())
	return d
}

func control(number int64) receipt.Document {
	d := header(receipt.KindControl, number)
	d.Control = &receipt.DocControl{What: receipt.ControlMonth, Period: "2026-09"}
	return d
}

// addUp returns the sums of documents, each with the hash of its bytes.
func addUp(t testing.TB, docs []receipt.Document) *receipt.ZSums {
	t.Helper()
	s := receipt.NewZSums("EUR")
	for i := range docs {
		require.NoError(t, s.Add(&docs[i], receipt.Digest{byte(i), byte(i >> 8)}))
	}
	return s
}

type caseSum struct {
	name, own string
	tax       receipt.TaxRef
}

// TestSumsAreThoseOfTheDocuments computes R1 to R6 and R12 of the closing's arithmetic from the documents alone.
func TestSumsAreThoseOfTheDocuments(t *testing.T) {
	r := seeded(t)
	for range 150 {
		docs := anyDay(t, r, 1+r.IntN(25))
		s := addUp(t, docs)
		z := s.Totals()
		payments, currencies := make(map[[2]string]receipt.Amount), make(map[string]receipt.Amount)
		cases, lineTax := make(map[caseSum]receipt.Amount), make(map[caseSum]receipt.Amount)
		rates := make(map[receipt.TaxRef]receipt.DocRate)
		var all receipt.Amount
		var counted receipt.ZCounts
		hash := sha256.New()
		hash.Write([]byte("tillmesh closing range\x00"))
		for i, d := range docs {
			hash.Write(append([]byte{byte(i), byte(i >> 8)}, make([]byte, 30)...))
			counted.Documents++
			if d.Security != nil {
				counted.Unsigned++
			}
			if d.Kind != receipt.KindReceipt || d.Training {
				continue
			}
			counted.Receipts++
			for _, p := range d.Payments {
				payments[[2]string{p.Type, p.Name}] += p.Amount
				all += p.Amount
				switch {
				case p.Type == "Bar" && p.Foreign != nil:
					currencies[p.Foreign.Currency] += p.Foreign.Amount
					currencies["EUR"] -= p.Change
				case p.Type == "Bar":
					currencies["EUR"] += p.Tendered - p.Change
				}
			}
			taxes, err := receipt.LineTaxes(&d)
			require.NoError(t, err)
			for i, l := range d.Lines {
				cases[caseSum{l.Case, l.CaseName, l.Tax}] += l.Gross
				lineTax[caseSum{l.Case, l.CaseName, l.Tax}] += taxes[i]
			}
			for _, x := range d.Totals.Rates {
				sum := rates[x.Ref]
				sum.Gross, sum.Net, sum.Tax = sum.Gross+x.Gross, sum.Net+x.Net, sum.Tax+x.Tax
				rates[x.Ref] = sum
			}
		}
		var total, cash, byCase receipt.Amount
		for _, p := range z.Payments {
			require.Equal(t, payments[[2]string{p.Type, p.Name}], p.Amount, "R1")
			delete(payments, [2]string{p.Type, p.Name})
			total += p.Amount
			if p.Type == "Bar" {
				cash += p.Amount
			}
		}
		require.Empty(t, payments, "R1")
		require.Equal(t, []receipt.Amount{all, all}, []receipt.Amount{z.Gross, total}, "R2")
		require.Equal(t, cash, z.CashTotal, "R3")
		for _, c := range z.Currencies {
			require.Equal(t, currencies[c.Currency], c.Amount, "R4")
		}
		require.Equal(t, currencies["EUR"], s.Drawer(), "R4")
		for _, c := range z.Cases {
			key := caseSum{c.Case, c.Name, c.Ref}
			require.Equal(t, []receipt.Amount{cases[key], lineTax[key]}, []receipt.Amount{c.Gross, c.Tax}, "R5")
			delete(cases, key)
			require.Equal(t, c.Gross, c.Net+c.Tax, "R12")
			if c.Ref.Key == "5" {
				require.Zero(t, c.Tax, "R12")
			}
			byCase += c.Gross
		}
		for key, gross := range cases {
			require.Zero(t, gross, "R5: only what was voided may have no sum: %v", key)
		}
		require.Equal(t, z.Gross, byCase, "R6")
		require.Len(t, z.Rates, len(rates))
		for _, x := range z.Rates {
			require.Equal(t, rates[x.Ref], receipt.DocRate{Gross: x.Gross, Net: x.Net, Tax: x.Tax})
		}
		require.Equal(t, []int64{counted.Documents, counted.Receipts, counted.Unsigned}, []int64{z.Counts.Documents, z.Counts.Receipts, z.Counts.Unsigned})
		require.EqualValues(t, hash.Sum(nil), func() []byte { h := s.Hash(); return h[:] }())
		require.Equal(t, docs[0].Closed, s.Began())
		built, err := receipt.BuildZ(reportOf(docs, s), sign)
		require.NoError(t, err, "whatever is in the documents, the closing holds together")
		_, err = built.Item.Verify(built.ID)
		require.NoError(t, err)
	}
}

func sign(doc []byte) (receipt.Signed, error) { return receipt.Sign(deviceKey, doc) }

// reportOf is a closing of documents that nobody counted the drawer for.
func reportOf(docs []receipt.Document, s *receipt.ZSums) receipt.ZReport {
	h := header(receipt.KindReceipt, 1)
	return receipt.ZReport{Shop: h.Shop, Till: h.Till, Replica: h.Replica, Series: "K2", Number: 1, Previous: receipt.FirstZ(h.Shop.ID, tillID(), "K2"),
		Currency: "EUR", Closed: h.Closed, BusinessDay: h.BusinessDay, ClockTrusted: true, User: "Jule", From: 1, To: int64(len(docs)), Began: s.Began(),
		Hash: s.Hash(), Last: receipt.Digest{1}, Sums: s.Totals(), Cash: receipt.ZCash{Expected: s.Drawer()}}
}

// TestWhatCountsInNoSum: practice, tabs given up, control documents and void numbers are counted, and nothing else.
func TestWhatCountsInNoSum(t *testing.T) {
	training := sample(t, 1, 3)
	training.Training = true
	unsigned := failure(4)
	unsigned.Security = receipt.Object{{Name: receipt.SecurityError, Value: receipt.String("aus")}}
	z := addUp(t, []receipt.Document{training, aborted(t, 2), control(3), unsigned}).Totals()
	require.Equal(t, receipt.ZTotals{Counts: receipt.ZCounts{Documents: 4, Training: 1, Trained: training.Totals.Gross, Aborted: 1, Controls: 1,
		Failed: 1, Unsigned: 1}}, z)
	open := opening()
	require.EqualValues(t, 1, addUp(t, []receipt.Document{open}).Totals().Counts.Documents)

	s := receipt.NewZSums("EUR")
	foreign := sample(t, 1, 1)
	foreign.Currency = "CHF"
	require.ErrorIs(t, s.Add(&foreign, receipt.Digest{}), receipt.ErrInvalid)
	later := sample(t, 1, 1)
	later.Kind = "loan"
	require.ErrorIs(t, receipt.NewZSums("EUR").Add(&later, receipt.Digest{}), receipt.ErrInvalid, "what this program cannot add up is not left out silently")
	large := sample(t, 1, 1)
	large.Totals.Gross = receipt.MaxAmount
	s = receipt.NewZSums("EUR")
	require.NoError(t, s.Add(&large, receipt.Digest{}))
	require.ErrorIs(t, s.Add(&large, receipt.Digest{}), receipt.ErrOverflow)
}

// TestSumsDoNotDependOnHowTheyAreHeld: the same documents give the same bytes, however a map is walked.
func TestSumsDoNotDependOnHowTheyAreHeld(t *testing.T) {
	docs := anyDay(t, seeded(t), 30)
	var first []byte
	for i := range 5 {
		z := reportOf(docs, addUp(t, docs))
		z.Version, z.Kind, z.ID = receipt.DocumentVersion, receipt.KindClosing, crdt.ObjectID{1}
		b, err := z.Canonical()
		require.NoError(t, err)
		if i == 0 {
			first = b
		}
		require.Equal(t, string(first), string(b))
	}
}

func BenchmarkZSums(b *testing.B) {
	docs := anyDay(b, rand.New(rand.NewPCG(1, 1)), 1000)
	b.ReportAllocs()
	for b.Loop() {
		addUp(b, docs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/document")
}
