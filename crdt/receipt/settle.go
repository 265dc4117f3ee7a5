package receipt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// payments reads the payments of the tab. Captured ones count. Those and the declined ones leave with a closing; one
// that is still under way stays, and is a case if it is captured later.
func (b *viewer) payments(parts []Part) {
	for _, p := range parts {
		v := PaymentView{ID: p.ID}
		v.Payment, v.Err = ParsePayment(p.Item)
		progress, err := ShownProgress(p.Object)
		if v.Err == nil {
			v.Err = err
		}
		if v.Err != nil {
			b.trouble(ProblemUnreadable, "/payments", p.ID, fmt.Errorf("%v: %w", p.ID, v.Err))
		}
		b.alarm("/payments", p)
		v.State, v.Card = progress.State, progress.Card
		v.Counts = v.Err == nil && (v.State == "" || v.State == PaymentCaptured)
		if v.Counts || v.Err == nil && v.State == PaymentDeclined && certain(p.Object) {
			b.v.Supersedes.Payments = append(b.v.Supersedes.Payments, p.ID)
		}
		b.v.Payments = append(b.v.Payments, v)
	}
	slices.SortFunc(b.v.Payments, func(x, y PaymentView) int {
		return cmp.Or(unreadableLast(x.Err, y.Err), cmp.Compare(x.Payment.MS, y.Payment.MS), x.ID.Compare(y.ID))
	})
}

// certain reports whether nothing contradicts the progress that is shown.
func certain(payment *crdt.Object) bool {
	r := registerOf(payment, RegisterProgress)
	return r != nil && document.Agree(r.Siblings)
}

// settle computes what is paid, what is handed back and what is due. What was paid beyond the total is handed back of
// the cash, the last payment first.
func (b *viewer) settle() {
	v := &b.v
	var err error
	for i := range v.Payments {
		p := &v.Payments[i]
		if !p.Counts {
			continue
		}
		p.Change = p.Payment.Tendered - p.Payment.Amount
		if v.Paid, err = v.Paid.Add(p.Payment.Amount); err != nil {
			b.trouble(ProblemPayment, "/payments", p.ID, fmt.Errorf("payments: %w", err))
			return
		}
	}
	over, err := v.Paid.Add(-v.Totals.Gross)
	if err != nil {
		b.trouble(ProblemPayment, "", crdt.ObjectID{}, fmt.Errorf("amount due: %w", err))
		return
	}
	if over > 0 && v.Paid > 0 || over < 0 && v.Paid < 0 { // only what was paid too much: an amount that is still due is no change
		for i := len(v.Payments) - 1; i >= 0 && over != 0; i-- {
			p := &v.Payments[i]
			if !p.Counts || p.Payment.Type != CashType || p.Payment.Amount > 0 != (over > 0) {
				continue
			}
			back := min(over, p.Payment.Amount)
			if over < 0 {
				back = max(over, p.Payment.Amount)
			}
			p.Change += back
			over -= back
		}
	}
	for i := range v.Payments {
		if v.Change, err = v.Change.Add(v.Payments[i].Change); err != nil {
			b.trouble(ProblemPayment, "", crdt.ObjectID{}, fmt.Errorf("change: %w", err))
			return
		}
	}
	v.Due = -over
}
