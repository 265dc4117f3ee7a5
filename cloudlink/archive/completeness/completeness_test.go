package completeness_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, b verify.Source) completeness.Report {
	t.Helper()
	r, err := completeness.Check(t.Context(), []completeness.Shop{{ID: receipttest.ShopID, Books: b}}, nil)
	require.NoError(t, err)
	require.NotContains(t, r.Text(), "%!")
	return r
}

func TestBooksThatHold(t *testing.T) {
	b, _ := receipttest.Shop(t)
	r := check(t, b)
	require.True(t, r.OK())
	documents, closings := r.Documents()
	require.EqualValues(t, 13, documents)
	require.EqualValues(t, 4, closings)
	require.Contains(t, r.Text(), "Everything is there, and everything adds up.")
	require.Contains(t, r.Text(), "K2-000001 to K2-000009: 9 documents, 0 missing; 3 closings, 1 documents after the last; 0 findings")
	require.Contains(t, check(t, &receipttest.Books{}).Text(), "No receipt and no closing is archived.")
}

// Each sum of a closing that is not what its receipts come to is named with the rule that it breaks.
func TestEachRuleOfAClosing(t *testing.T) {
	tests := map[string]struct {
		lie  func(z *receipt.ZReport)
		want string
	}{
		"R1 payments per type": {func(z *receipt.ZReport) {
			z.Sums.Payments = append(z.Sums.Payments, receipt.ZPayment{Type: "ECKarte", Amount: 5}, receipt.ZPayment{Type: "Unbar", Amount: -5})
		}, "payments. (R1)"},
		"R4 cash per currency": {func(z *receipt.ZReport) {
			z.Sums.Currencies = append(z.Sums.Currencies, receipt.ZCurrency{Currency: "CHF", Amount: 7})
		}, "currencies. (R4)"},
		"R5 business cases": {func(z *receipt.ZReport) {
			z.Sums.Cases[0].Case = "Rabatt"
		}, "cases. (R5, R12)"},
		"R2, R3 and R6, all moved alike": {func(z *receipt.ZReport) {
			z.Sums.Gross, z.Sums.CashTotal, z.Cash.Expected = z.Sums.Gross+119, z.Sums.CashTotal+119, z.Cash.Expected+119
			z.Sums.Payments[0].Amount += 119
			z.Sums.Currencies[0].Amount += 119
			z.Sums.Users[0].Gross += 119
			for _, x := range []*receipt.Amount{&z.Sums.Cases[0].Gross, &z.Sums.Rates[0].Gross} {
				*x += 119
			}
			for _, x := range []*receipt.Amount{&z.Sums.Cases[0].Tax, &z.Sums.Rates[0].Tax} {
				*x += 19
			}
			for _, x := range []*receipt.Amount{&z.Sums.Cases[0].Net, &z.Sums.Rates[0].Net} {
				*x += 100
			}
		}, "gross, cashtotal, rates, cases, payments, currencies, users. (R1, R2, R6, R3, R4, R5, R12, R5, R8)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &receipttest.Books{}
			s := receipttest.NewSeries(t, b, "K1")
			s.Sell(340, 100)
			s.Close(test.lie)
			r := check(t, b)
			require.False(t, r.OK())
			require.Contains(t, r.Text(), test.want)
		})
	}
}

// R7 and R8: a receipt whose rates or payments do not come to its total.
func TestEachRuleOfAReceipt(t *testing.T) {
	for name, lie := range map[string]func(*receipt.Document){
		"R7 payments":          func(d *receipt.Document) { d.Payments[0].Amount++ },
		"R7 rates":             func(d *receipt.Document) { d.Totals.Gross++ },
		"R8 gross of the rate": func(d *receipt.Document) { d.Totals.Rates[0].Gross++ },
		"R8 net and tax":       func(d *receipt.Document) { d.Totals.Rates[0].Net++ },
		"R9 tax as rounded":    func(d *receipt.Document) { d.Totals.Rates[0].Tax++; d.Totals.Rates[0].Net-- },
		"the line":             func(d *receipt.Document) { d.Lines[0].Gross++ },
	} {
		t.Run(name, func(t *testing.T) {
			b := &receipttest.Books{}
			s := receipttest.NewSeries(t, b, "K1")
			s.Sell(340, 100)
			s.Resigned(&b.Sold[0], lie)
			r := check(t, b)
			require.False(t, r.OK())
			require.Positive(t, r.Shops[0].Counts[verify.FindDocument])
		})
	}
}

func TestGapsForksAndStrangers(t *testing.T) {
	b, s := receipttest.Shop(t)
	b.Sold = slices.Delete(b.Sold, 2, 3)
	fork := b.Sold[4]
	s.Resigned(&fork, func(d *receipt.Document) { d.User = "Mallory" })
	b.Sold = slices.Insert(b.Sold, 5, fork)
	r, err := completeness.Check(t.Context(), []completeness.Shop{{ID: receipttest.ShopID, Books: b, Member: func(crdt.TillID) bool { return false }}}, nil)
	require.NoError(t, err)
	text := r.Text()
	require.Contains(t, text, "Something is missing or does not add up. It was kept as it is")
	require.Contains(t, text, "K2-000003 is missing.")
	require.Contains(t, text, "K2-000006 is there twice with different content.")
	require.Contains(t, text, "is not one of the shop")
}

func TestAnErrorOfTheSourceIsReturned(t *testing.T) {
	b, _ := receipttest.Shop(t)
	broken := errors.New("the database is down")
	_, err := completeness.Check(t.Context(), []completeness.Shop{{ID: receipttest.ShopID, Books: failing{b, broken}}}, nil)
	require.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = completeness.Check(ctx, []completeness.Shop{{ID: receipttest.ShopID, Books: b}}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

type failing struct {
	*receipttest.Books
	err error
}

func (f failing) Receipts(context.Context) iter.Seq2[verify.Entry, error] {
	return func(yield func(verify.Entry, error) bool) { yield(verify.Entry{}, f.err) }
}
