package node

import (
	"context"
	"errors"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// CodeMoneyTaken refuses to give up a tab that money was taken for. It is part of the API.
const CodeMoneyTaken = "money-taken"

// AbandonTab gives a tab up: its lines, if there are any, are kept in a document under the next number of this till that comes
// to nothing. It needs no other till: only one that can be reached and works on the tab can refuse.
func (t *Till) AbandonTab(ctx context.Context, tab crdt.ObjectID, user, reason string) (Receipt, error) {
	if id, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, id)
	}
	release, err := t.room.sale()
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	if err := t.mustHold(ctx, tab, user); err != nil {
		return Receipt{}, err
	}
	if err := t.awaitHead(ctx, tab); err != nil {
		return Receipt{}, err
	}
	defer t.tabs.own(tab)()
	return t.abandon(ctx, tab, user, reason, nil)
}

// abandon gives up a tab that this till holds and has locked. with is what belongs into the same commit; nil: nothing.
func (t *Till) abandon(ctx context.Context, tab crdt.ObjectID, user, reason string, with func(aborted receipt.Closed) ([]crdt.Piece, error)) (Receipt, error) {
	parts, ok := t.book.Parts(tab)
	if !ok {
		return Receipt{}, t.notOpen(ctx, tab)
	}
	v := receipt.View(parts)
	if err := unpaid(v); err != nil {
		return Receipt{}, err
	}
	head, err := t.head(ctx, user, reason)
	if err != nil {
		return Receipt{}, err
	}
	r, err := t.number(ctx, head, func(c receipt.Closing) (receipt.Closed, []crdt.Piece, error) {
		closed, err := receipt.Abort(v, c)
		if err != nil || with == nil {
			return closed, nil, err
		}
		pieces, err := with(closed)
		return closed, pieces, err
	})
	switch {
	case errors.Is(err, receipt.ErrPaid):
		return r, unpaid(v)
	case err != nil:
		return r, err
	}
	t.forget(tab)
	return r, nil
}

// unpaid refuses a tab for which money was taken, or may have been.
func unpaid(v receipt.TabView) error {
	if slices.ContainsFunc(v.Payments, func(p receipt.PaymentView) bool { return p.Counts }) {
		return refuse(CodeMoneyTaken, "take its lines back and close it: what was paid in cash is then given back as change, what was paid otherwise with a payment below zero",
			"%d were taken for this tab", v.Paid)
	}
	if slices.ContainsFunc(v.Payments, func(p receipt.PaymentView) bool { return p.Err != nil || p.State != receipt.PaymentDeclined }) {
		return refuse(CodeMoneyTaken, "wait until it is over", "a payment for this tab is still under way")
	}
	return nil
}
