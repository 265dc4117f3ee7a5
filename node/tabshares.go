package node

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Share is what one guest pays of a tab, with what of it falls on each tax. Nothing is written: a tab that is paid in shares
// stays one sale with one receipt, which lists every payment. A guest who needs a receipt of his own gets a tab of his own.
type Share struct {
	Amount receipt.Amount
	Rates  []RateShare
}

// RateShare is what of a share falls on one tax.
type RateShare struct {
	Tax   receipt.TaxRef
	Gross receipt.Amount
}

// maxShares bounds into how many shares a tab is cut.
const maxShares = 100

// EqualShares cuts what is still to be paid for a tab into so many equal shares. The cents that do not go into all of them are
// on the first ones.
func (t *Till) EqualShares(ctx context.Context, tab crdt.ObjectID, n int) ([]Share, error) {
	v, err := t.dueTab(ctx, tab)
	if err != nil {
		return nil, err
	}
	if n < 2 || n > maxShares {
		return nil, refuse(CodeAmount, "", "a tab is cut into 2 to %d shares, not %d", maxShares, n)
	}
	weights := make([]receipt.Amount, n)
	for i := range weights {
		weights[i] = 1
	}
	amounts, err := receipt.Shares(v.Due, weights)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	return sharesOf(v, amounts)
}

// SharesBy cuts what is still to be paid for a tab into shares of these amounts, and one of the rest if there is any.
func (t *Till) SharesBy(ctx context.Context, tab crdt.ObjectID, amounts []receipt.Amount) ([]Share, error) {
	v, err := t.dueTab(ctx, tab)
	if err != nil {
		return nil, err
	}
	if len(amounts) == 0 || len(amounts) > maxShares {
		return nil, refuse(CodeAmount, "", "1 to %d amounts make shares, not %d", maxShares, len(amounts))
	}
	rest := v.Due
	for _, a := range amounts {
		if a == 0 || (a > 0) != (v.Due > 0) || magnitude(a) > magnitude(rest) {
			return nil, refuse(CodeAmount, "send amounts that come to no more than what is due", "of %d that are due, %d is no share", v.Due, a)
		}
		rest -= a
	}
	if rest != 0 {
		amounts = append(amounts[:len(amounts):len(amounts)], rest)
	}
	return sharesOf(v, amounts)
}

func (t *Till) dueTab(ctx context.Context, tab crdt.ObjectID) (receipt.TabView, error) {
	v, err := t.openTab(ctx, tab)
	switch {
	case err != nil:
		return v, err
	case v.Err != nil:
		return v, refuseInvalid(v.Err)
	case v.Due == 0:
		return v, refuse(CodeEmpty, "", "nothing is due for the tab")
	}
	return v, nil
}

// sharesOf says what of each amount falls on each tax. Amounts come to what is due; shares of a tax come to what is due of it.
func sharesOf(v receipt.TabView, amounts []receipt.Amount) ([]Share, error) {
	left := make([]receipt.Amount, len(v.Totals.Rates))
	for i, r := range v.Totals.Rates {
		left[i] = r.Gross
	}
	left, err := receipt.Shares(v.Due, left)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	out := make([]Share, len(amounts))
	for k, a := range amounts {
		parts, err := receipt.Shares(a, left)
		if err != nil {
			return nil, refuseInvalid(err)
		}
		out[k].Amount = a
		for i, r := range v.Totals.Rates {
			left[i] -= parts[i]
			if parts[i] != 0 {
				out[k].Rates = append(out[k].Rates, RateShare{r.Ref, parts[i]})
			}
		}
	}
	return out, nil
}
