package node

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Whatever a line is and whatever is split off: both come together to what the line came to.
func TestAPartAndTheRestComeToTheWhole(t *testing.T) {
	seed := uint64(20261122)
	r := rand.New(rand.NewPCG(seed, 7))
	moved := 0
	for n := range 20_000 {
		l := anyLine(r)
		whole, err := worth(l)
		if err != nil {
			continue // a discount larger than the line
		}
		left := magnitude(l.Line.Quantity) - l.Voided
		if left < 2 {
			continue
		}
		quantity := 1 + receipt.Quantity(r.Int64N(int64(left-1)))
		cut, err := cutLine(&l, quantity)
		require.NoError(t, err, "seed %d, line %d: %+v split by %d", seed, n, l.Line, quantity)
		percents, _ := bare(reductionsOf(l.Discounts))
		rest := l
		rest.Voided += quantity
		stays, err := withReductions(rest, percents, cut.keep)
		require.NoError(t, err, "seed %d, line %d", seed, n)
		if cut.plain {
			percents = nil
		}
		goes, err := priced(cut.line, percents, cut.give)
		require.NoError(t, err, "seed %d, line %d", seed, n)
		require.Equal(t, whole, stays+goes, "seed %d, line %d: %+v split by %d: %+v", seed, n, l.Line, quantity, cut)
		require.Equal(t, quantity, magnitude(cut.line.Quantity))
		require.NoError(t, cut.line.Check())
		if cut.line.UnitPrice != l.Line.UnitPrice {
			moved++
		}
		if quantity%1000 == 0 && l.Line.Quantity%1000 == 0 && len(l.Discounts) == 0 {
			require.Equal(t, l.Line.UnitPrice, cut.line.UnitPrice, "whole pieces keep their price: seed %d, line %d", seed, n)
		}
	}
	require.Positive(t, moved)
}

func anyLine(r *rand.Rand) receipt.LineView {
	quantity := receipt.Quantity(1000 * (1 + r.Int64N(12)))
	if r.IntN(3) == 0 {
		quantity = receipt.Quantity(1 + r.Int64N(5000))
	}
	price := receipt.Amount(r.Int64N(3000))
	l := receipt.LineView{ID: crdt.ObjectID{1}, Line: receipt.Line{Name: "Käse", Quantity: quantity, UnitPrice: price, ListPrice: &price,
		Currency: "EUR", Case: receipt.SaleCase, Till: crdt.TillID{1}, Tax: receipt.TaxRef{Rate: 1900}}}
	switch r.IntN(6) {
	case 0:
		l.Line.Quantity = -quantity
	case 1:
		l.Line.UnitPrice = -price
	}
	if r.IntN(3) == 0 {
		l.Voided = receipt.Quantity(r.Int64N(int64(quantity)))
	}
	if r.IntN(3) == 0 {
		l.Discounts = append(l.Discounts, receipt.DiscountView{Discount: receipt.Discount{Kind: receipt.DiscountPercent, Percent: receipt.Rate(r.IntN(10_001))}})
	}
	if r.IntN(3) == 0 {
		l.Discounts = append(l.Discounts, receipt.DiscountView{Discount: receipt.Discount{Kind: receipt.DiscountAmount, Amount: receipt.Amount(1 + r.Int64N(500))}})
	}
	return l
}
