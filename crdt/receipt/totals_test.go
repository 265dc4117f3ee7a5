package receipt_test

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func object(n byte) crdt.ObjectID { return crdt.ObjectID{15: n} }

var (
	general = receipt.TaxRef{ID: object(19), Key: "1", Rate: 1900}
	reduced = receipt.TaxRef{ID: object(7), Key: "2", Rate: 700}
	untaxed = receipt.TaxRef{ID: object(1), Key: "5", Rate: 0}
)

func TestTotalsByHand(t *testing.T) {
	lines := []receipt.LineInput{
		{ID: object(1), Quantity: 2000, UnitPrice: 250, Tax: general},                                                                // 5.00
		{ID: object(2), Quantity: 350, UnitPrice: 1990, Tax: reduced, Discounts: []receipt.Reduction{{Amount: 97}}},                  // 6.965 -> 6.97 - 0.97
		{ID: object(3), Quantity: 3000, Voided: 1000, UnitPrice: 500, Tax: general, Discounts: []receipt.Reduction{{Percent: 1000}}}, // 10.00 - 1.00
		{ID: object(4), Quantity: 1000, Voided: 1000, UnitPrice: 999, Tax: untaxed, Discounts: []receipt.Reduction{{Amount: 100}}},   // gone
		{ID: object(5), Quantity: 4000, UnitPrice: -25, Tax: general},                                                                // bottles back: -1.00
	}
	// 13.00 at 19 %, 6.00 at 7 %; 10 % of 19.00 is 1.90, then 0.10.
	got, err := receipt.ComputeTotals(lines, []receipt.Reduction{{Amount: 10}, {Percent: 1000}})
	require.NoError(t, err)
	require.Equal(t, receipt.Totals{
		Lines: []receipt.LineTotal{
			// 19 %: 1.30 over 5.00 and 9.00 (not the bottles), then 0.07 over 4.54 and 8.16.
			{ID: object(1), Quantity: 2000, Base: 500, Discounts: []receipt.Amount{}, TabDiscounts: []receipt.Amount{-3, -46}, Gross: 451},
			{ID: object(2), Quantity: 350, Base: 697, Discounts: []receipt.Amount{-97}, TabDiscounts: []receipt.Amount{-3, -60}, Gross: 537},
			{ID: object(3), Quantity: 2000, Base: 1000, Discounts: []receipt.Amount{-100}, TabDiscounts: []receipt.Amount{-4, -84}, Gross: 812},
			{ID: object(4), Quantity: 0, Base: 0, Discounts: []receipt.Amount{0}, TabDiscounts: []receipt.Amount{0, 0}, Gross: 0},
			{ID: object(5), Quantity: 4000, Base: -100, Discounts: []receipt.Amount{}, TabDiscounts: []receipt.Amount{0, 0}, Gross: -100},
		},
		Discounts: []receipt.Amount{-10, -190},
		Rates: []receipt.RateTotal{
			{Ref: general, Gross: 1163, Net: 977, Tax: 186},
			{Ref: reduced, Gross: 537, Net: 502, Tax: 35},
		},
		Gross: 1700,
	}, got)
}

func TestTotalsOfNothing(t *testing.T) {
	got, err := receipt.ComputeTotals(nil, []receipt.Reduction{{Amount: 500}, {Percent: 1000}})
	require.NoError(t, err)
	require.Zero(t, got.Gross)
	require.Equal(t, []receipt.Amount{0, 0}, got.Discounts)
	require.Empty(t, got.Rates)
}

func TestTotalsRefuse(t *testing.T) {
	line := func(change func(*receipt.LineInput)) []receipt.LineInput {
		l := receipt.LineInput{ID: object(1), Quantity: 1000, UnitPrice: 500, Tax: general}
		change(&l)
		return []receipt.LineInput{{ID: object(9), Quantity: 1000, UnitPrice: 500, Tax: general}, l}
	}
	for _, c := range []struct {
		name  string
		lines []receipt.LineInput
		tab   []receipt.Reduction
		want  error
	}{
		{"no quantity", line(func(l *receipt.LineInput) { l.Quantity = 0 }), nil, receipt.ErrQuantity},
		{"negative void", line(func(l *receipt.LineInput) { l.Voided = -1 }), nil, receipt.ErrQuantity},
		{"quantity too large", line(func(l *receipt.LineInput) { l.Quantity = receipt.MaxQuantity + 1 }), nil, receipt.ErrOverflow},
		{"price too large", line(func(l *receipt.LineInput) { l.UnitPrice = receipt.MaxAmount + 1 }), nil, receipt.ErrOverflow},
		{"line too large", line(func(l *receipt.LineInput) { l.UnitPrice, l.Quantity = receipt.MaxAmount, 1001 }), nil, receipt.ErrOverflow},
		{"sum too large", line(func(l *receipt.LineInput) { l.UnitPrice = receipt.MaxAmount }), nil, receipt.ErrOverflow},
		{"total too large", line(func(l *receipt.LineInput) { l.UnitPrice, l.Tax = receipt.MaxAmount, reduced }), nil, receipt.ErrOverflow},
		{"rate", line(func(l *receipt.LineInput) { l.Tax.Rate = -1 }), nil, receipt.ErrRate},
		{"discount of both kinds", line(func(l *receipt.LineInput) { l.Discounts = []receipt.Reduction{{Percent: 1, Amount: 1}} }), nil, receipt.ErrDiscount},
		{"negative discount", line(func(l *receipt.LineInput) { l.Discounts = []receipt.Reduction{{Amount: -1}} }), nil, receipt.ErrDiscount},
		{"more than all", line(func(l *receipt.LineInput) { l.Discounts = []receipt.Reduction{{Percent: 10_001}} }), nil, receipt.ErrRate},
		{"negative percentage of the tab", line(func(*receipt.LineInput) {}), []receipt.Reduction{{Percent: -1}}, receipt.ErrRate},
	} {
		_, err := receipt.ComputeTotals(c.lines, c.tab)
		require.ErrorIs(t, err, c.want, c.name)
	}
}

func TestTotalsNameTheDiscountThatIsTooLarge(t *testing.T) {
	lines := []receipt.LineInput{
		{ID: object(1), Quantity: 1000, UnitPrice: 500, Tax: general},
		{ID: object(2), Quantity: -1000, UnitPrice: 300, Tax: general, Discounts: []receipt.Reduction{{Percent: 1000}, {Amount: 271}}},
	}
	_, err := receipt.ComputeTotals(lines, nil)
	var tooBig *receipt.DiscountError
	require.ErrorAs(t, err, &tooBig)
	require.Equal(t, receipt.DiscountError{Line: object(2), Discount: 1, Amount: 271, Rest: -270}, *tooBig)
	require.ErrorIs(t, err, receipt.ErrDiscount)
	require.ErrorContains(t, err, object(2).String())

	_, err = receipt.ComputeTotals(lines[:1], []receipt.Reduction{{Amount: 400}, {Amount: 101}})
	require.ErrorAs(t, err, &tooBig)
	require.Equal(t, receipt.DiscountError{Discount: 1, Amount: 101, Rest: 100}, *tooBig)
	require.ErrorContains(t, err, "the tab")

	got, err := receipt.ComputeTotals(lines[:1], []receipt.Reduction{{Amount: 400}, {Amount: 100}})
	require.NoError(t, err)
	require.Zero(t, got.Gross)
}

// randomReceipt makes lines and discounts that are possible: fixed discounts are small against the prices.
func randomReceipt(r *rand.Rand) ([]receipt.LineInput, []receipt.Reduction) {
	reductions := func() []receipt.Reduction {
		var rs []receipt.Reduction
		for range r.IntN(3) {
			if r.IntN(2) == 0 {
				rs = append(rs, receipt.Reduction{Amount: receipt.Amount(r.IntN(30))})
			} else {
				rs = append(rs, receipt.Reduction{Percent: receipt.Rate(r.IntN(5_001))})
			}
		}
		return rs
	}
	lines := make([]receipt.LineInput, 1+r.IntN(10))
	for i := range lines {
		lines[i] = receipt.LineInput{
			ID:        object(byte(i + 1)),
			Quantity:  receipt.Quantity(1 + r.IntN(5_000)),
			UnitPrice: receipt.Amount(r.IntN(100_000)),
			Tax:       []receipt.TaxRef{general, reduced, untaxed}[r.IntN(3)],
			Discounts: reductions(),
		}
		switch r.IntN(6) {
		case 0:
			lines[i].Quantity = -lines[i].Quantity
		case 1:
			lines[i].UnitPrice = -lines[i].UnitPrice
		case 2:
			lines[i].Voided = receipt.Quantity(r.IntN(6_000))
		}
	}
	return lines, reductions()
}

func TestTotalsAddUp(t *testing.T) {
	r := seeded(t)
	done := 0
	for range 10_000 {
		lines, tab := randomReceipt(r)
		got, err := receipt.ComputeTotals(lines, tab)
		if err != nil {
			require.ErrorIs(t, err, receipt.ErrDiscount)
			continue
		}
		done++
		var gross receipt.Amount
		byTax := map[receipt.TaxRef]receipt.Amount{}
		tabParts := make([]receipt.Amount, len(tab))
		for i, l := range got.Lines {
			sum := l.Base
			for _, part := range append(slices.Clone(l.Discounts), l.TabDiscounts...) {
				require.False(t, part != 0 && (part > 0) == (l.Base > 0), "a discount moves towards zero")
				sum += part
			}
			for k, part := range l.TabDiscounts {
				tabParts[k] += part
			}
			require.Equal(t, l.Gross, sum)
			require.False(t, l.Gross != 0 && (l.Gross > 0) != (l.Base > 0), "a discount never turns a line")
			require.EqualValues(t, exact(product(int64(lines[i].UnitPrice), int64(l.Quantity)), big.NewInt(1000)).Int64(), l.Base)
			byTax[lines[i].Tax] += l.Gross
			gross += l.Gross
		}
		require.Equal(t, got.Gross, gross)
		require.Equal(t, append([]receipt.Amount{}, tabParts...), append([]receipt.Amount{}, got.Discounts...))
		require.True(t, slices.IsSortedFunc(got.Rates, func(a, b receipt.RateTotal) int { return a.Ref.Compare(b.Ref) }))
		for _, rate := range got.Rates {
			require.Equal(t, byTax[rate.Ref], rate.Gross)
			require.Equal(t, rate.Gross, rate.Net+rate.Tax)
			require.Equal(t, exact(product(int64(rate.Gross), int64(rate.Ref.Rate)), big.NewInt(10_000+int64(rate.Ref.Rate))).Int64(), int64(rate.Tax))
			gross -= rate.Gross
		}
		require.Zero(t, gross, "the rates sum to the total")
	}
	require.Greater(t, done, 5_000, "most random receipts are possible")
}

func TestRefundIsTheMirror(t *testing.T) {
	r := seeded(t)
	negated := func(as []receipt.Amount) []receipt.Amount {
		out := slices.Clone(as)
		for i := range out {
			out[i] = -out[i]
		}
		return out
	}
	for range 10_000 {
		lines, tab := randomReceipt(r)
		refund := slices.Clone(lines)
		for i := range refund {
			refund[i].Quantity = -refund[i].Quantity
		}
		sale, err := receipt.ComputeTotals(lines, tab)
		mirror, mirrorErr := receipt.ComputeTotals(refund, tab)
		if err != nil {
			require.ErrorIs(t, mirrorErr, receipt.ErrDiscount)
			continue
		}
		require.NoError(t, mirrorErr)
		for i, l := range sale.Lines {
			sale.Lines[i] = receipt.LineTotal{ID: l.ID, Quantity: -l.Quantity, Base: -l.Base,
				Discounts: negated(l.Discounts), TabDiscounts: negated(l.TabDiscounts), Gross: -l.Gross}
		}
		for i, rate := range sale.Rates {
			sale.Rates[i] = receipt.RateTotal{Ref: rate.Ref, Gross: -rate.Gross, Net: -rate.Net, Tax: -rate.Tax}
		}
		sale.Discounts, sale.Gross = negated(sale.Discounts), -sale.Gross
		require.Equal(t, sale, mirror)
	}
}
