package book

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// OpenPayment is a payment that no receipt holds yet.
type OpenPayment struct {
	ID      crdt.ObjectID
	Tab     crdt.ObjectID // that it is for: the one it was entered for, if it was not moved
	Payment receipt.Payment
	State   string // one of the Payment states of package receipt; empty: captured when it was entered
	ByHand  bool   // a person decided State
	Card    receipt.Card
}

// Unknown reports whether nobody knows what became of the payment, and it is not under way either.
func (p OpenPayment) Unknown() bool {
	switch p.State {
	case "", receipt.PaymentCaptured, receipt.PaymentDeclined, receipt.PaymentIntended, receipt.PaymentSent:
		return false
	}
	return true
}

// Payments returns all payments that no receipt holds, in the order of time. What cannot be read is left out; it is a case.
func (b *Book) Payments() []OpenPayment {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []OpenPayment
	for _, x := range b.leaves {
		if p, ok := x.payment(); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y OpenPayment) int {
		return cmp.Or(cmp.Compare(x.Payment.MS, y.Payment.MS), x.ID.Compare(y.ID))
	})
	return out
}

// Payment returns a payment that no receipt holds, and whether there is one.
func (b *Book) Payment(id crdt.ObjectID) (OpenPayment, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.leaves[id]
	if x == nil {
		return OpenPayment{}, false
	}
	return x.payment()
}

func (x *leaf) payment() (OpenPayment, bool) {
	if x.typ != receipt.TypePayment || !x.hasItem() {
		return OpenPayment{}, false
	}
	p, err := receipt.ParsePayment(x.raw)
	if err != nil {
		return OpenPayment{}, false
	}
	out := OpenPayment{ID: x.id, Tab: p.Tab, Payment: p}
	if tab, moved := handover.PaymentTab(x.obj); moved {
		out.Tab = tab
	}
	progress, err := receipt.ShownProgress(x.obj)
	if err != nil {
		return OpenPayment{}, false
	}
	out.State, out.ByHand, out.Card = progress.State, progress.ByHand, progress.Card
	return out, true
}

// MaxReversals is how often giving a payment back may be tried.
const MaxReversals = 20

// ReversalID returns the ID of the payment that gives another one back, at the nth try from 0: so that everybody knows which
// payment it belongs to.
func ReversalID(of crdt.ObjectID, n int) crdt.ObjectID {
	return crdt.DeriveObjectID("reversed payment", of[:], binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// reversed reports whether a captured payment was given back as a whole, or gave one back as a whole: then nothing of it is
// left to be decided about.
func (b *Book) reversed(x *leaf) bool {
	p, ok := x.payment()
	if !ok {
		return false
	}
	for n := range MaxReversals {
		if back, ok := b.leaves[ReversalID(x.id, n)].paid(); ok && back == -p.Payment.Amount {
			return true
		}
	}
	if p.Payment.Amount >= 0 {
		return false
	}
	for _, o := range b.leaves {
		if amount, ok := o.paid(); !ok || amount != -p.Payment.Amount {
			continue
		}
		for n := range MaxReversals {
			if ReversalID(o.id, n) == x.id {
				return true
			}
		}
	}
	return false
}

// paid returns the amount of a payment that was captured.
func (x *leaf) paid() (receipt.Amount, bool) {
	if x == nil {
		return 0, false
	}
	p, ok := x.payment()
	return p.Payment.Amount, ok && (p.State == "" || p.State == receipt.PaymentCaptured)
}
