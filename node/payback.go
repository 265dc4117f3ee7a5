package node

import (
	"context"
	"errors"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// payBack returns how the money of a receipt goes back: as it was paid, less what went back before. What already went back for
// it and is on no receipt yet comes first, then what stands on another receipt too, then cash, then the rest in its order; what
// was never paid so is paid out in cash. What a card terminal took goes back through a terminal, payment by payment.
func (t *Till) payBack(ctx context.Context, of receipt.Document, earlier []refund, gross receipt.Amount, shared map[crdt.ObjectID]bool) ([]payback, error) {
	left := make([]receipt.Amount, len(of.Payments))
	for i, p := range of.Payments {
		left[i] = p.Amount
	}
	for _, p := range of.Payments { // what was reversed before it was closed
		if i := reversedBy(of.Payments, p.ID); i >= 0 {
			giveBack(of.Payments, left, p)
			left[slices.IndexFunc(of.Payments, func(x receipt.DocPayment) bool { return x.ID == p.ID })] = 0
		}
	}
	for _, r := range earlier {
		by, err := t.receipt(ctx, r.By)
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, p := range by.Parsed.Payments {
			giveBack(of.Payments, left, p)
		}
	}
	var out []payback
	due := -gross
	for _, p := range t.wentBack(of) {
		giveBack(of.Payments, left, receipt.DocPayment{ID: p.ID, Type: p.Payment.Type, Name: p.Payment.Name, Amount: p.Payment.Amount})
		out = append(out, payback{NewPayment: listed(p), Done: &p})
		due += p.Payment.Amount
	}
	order := make([]int, len(of.Payments))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		switch p := of.Payments[i]; {
		case shared[p.ID]:
			return 0
		case p.Type == receipt.CashType:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(a) - rank(b) })
	add := func(p receipt.DocPayment, amount receipt.Amount) {
		both := shared[p.ID]
		asked := !both && p.Progress != "" && p.Type != receipt.CashType && !of.Training
		i := slices.IndexFunc(out, func(x payback) bool {
			return !asked && x.Done == nil && !x.Terminal && x.Type == p.Type && x.Name == p.Name && x.Shared == both
		})
		if i < 0 {
			i = len(out)
			out = append(out, payback{NewPayment: NewPayment{Type: p.Type, Name: p.Name, Terminal: asked}, Shared: both})
			if asked {
				out[i].Of = p.ID
			}
		}
		out[i].Amount += amount
	}
	for _, i := range order {
		part := towards(left[i], due)
		if part == 0 {
			continue
		}
		due -= part
		add(of.Payments[i], -part)
	}
	if due != 0 {
		add(receipt.DocPayment{Type: receipt.CashType}, -due)
	}
	return out, nil
}

// inCash returns how the money of a receipt goes back in cash, but for what went back for it before and is on no receipt.
func (t *Till) inCash(of receipt.Document, gross receipt.Amount) (out []payback) {
	for _, p := range t.wentBack(of) {
		out = append(out, payback{NewPayment: listed(p), Done: &p})
		gross -= p.Payment.Amount
	}
	if gross != 0 {
		out = append(out, payback{NewPayment: NewPayment{Type: receipt.CashType, Amount: gross}})
	}
	return out
}

// towards returns the part of have that goes into due: nothing if they go different ways.
func towards(have, due receipt.Amount) receipt.Amount {
	switch {
	case have > 0 && due > 0:
		return min(have, due)
	case have < 0 && due < 0:
		return max(have, due)
	}
	return 0
}

// giveBack takes a payment that gave money back off the one that it reversed, else off the payments of the same type.
func giveBack(paid []receipt.DocPayment, left []receipt.Amount, back receipt.DocPayment) {
	rest := -back.Amount
	take := func(i int) {
		part := towards(left[i], rest)
		left[i] -= part
		rest -= part
	}
	if i := reversedBy(paid, back.ID); i >= 0 {
		take(i)
	}
	for i, p := range paid {
		if p.Type == back.Type && p.Name == back.Name && p.ID != back.ID {
			take(i)
		}
	}
}

// reversedBy returns the index of the payment that another one reversed, -1 if it is none of these.
func reversedBy(paid []receipt.DocPayment, back crdt.ObjectID) int {
	return slices.IndexFunc(paid, func(p receipt.DocPayment) bool {
		for n := range book.MaxReversals {
			if book.ReversalID(p.ID, n) == back {
				return true
			}
		}
		return false
	})
}
