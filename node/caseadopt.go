package node

import (
	"context"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// Codes of refusals about cases.
const (
	CodeNoCase  = "unknown-case"
	CodeNoWay   = "no-such-way" // the case has other ways out
	payBackText = "Zahlung zurückgegeben"
)

// Adoption says where what is left over from a closed tab goes.
type Adoption struct {
	To   crdt.ObjectID // an open tab, or the ID of a new one; zero: a new one
	Name string        // of a new tab
	User string
}

// caseOf returns a case by its ID.
func (t *Till) caseOf(ctx context.Context, id crdt.ObjectID) (book.Case, bool, error) {
	all, err := t.openCases(ctx)
	if err != nil {
		return book.Case{}, false, err
	}
	i := slices.IndexFunc(all, func(c book.Case) bool { return c.ID() == id })
	if i < 0 {
		return book.Case{}, false, nil
	}
	return all[i], true, nil
}

// AdoptCase puts what is left over from a closed tab on a tab that is open: lines that came too late, with their payments, or
// a payment that is on no receipt. There it is sold and settled like everything else.
func (t *Till) AdoptCase(ctx context.Context, id crdt.ObjectID, a Adoption) (TabView, error) {
	if a.To.IsZero() {
		a.To = t.env.objectID()
	}
	c, found, err := t.caseOf(ctx, id)
	switch {
	case err != nil:
		return TabView{}, err
	case !found:
		if _, state, open := t.book.Tab(a.To); open && state == book.StateOpen && !a.To.IsZero() {
			return t.Tab(ctx, a.To) // a repeated request
		}
		return TabView{}, refuse(CodeNoCase, "list the cases with GET /api/v1/cases", "there is no case %v (any more)", id)
	case c.Kind == book.CaseContinuation:
		s := Split{To: a.To, Name: a.Name, User: a.User, all: true}
		for _, line := range c.Objects {
			s.Parts = append(s.Parts, SplitPart{Line: line})
		}
		moved, err := t.SplitTab(ctx, c.Tab, s)
		return moved.To, err
	case c.Kind == book.CaseOrphan:
		return t.adoptPayment(ctx, c.Objects[0], a)
	}
	return TabView{}, refuse(CodeNoWay, "look at the ways of the case", "a case of this kind is not about anything that could be put on a tab")
}

// adoptPayment moves a payment to a tab, which is opened if it is not there.
func (t *Till) adoptPayment(ctx context.Context, payment crdt.ObjectID, a Adoption) (TabView, error) {
	defer t.tabs.own(a.To)()
	target, isOpen, err := t.splitTarget(ctx, receipt.TabView{}, a.To)
	if err != nil {
		return TabView{}, err
	}
	var pieces []crdt.Piece
	if !isOpen {
		head := receipt.Head{Name: a.Name, OpenedMS: t.clock.MS(), Till: t.id.Till, User: a.User, Shared: true}
		if pieces, err = receipt.EditTab(a.To, nil, receipt.TabEdit{Head: &head}); err != nil {
			return TabView{}, refuseInvalid(err)
		}
	} else if err := t.noPaymentRuns(target); err != nil {
		return TabView{}, err
	}
	more, err := t.movePayment(ctx, payment, a.To)
	if err != nil {
		return TabView{}, err
	}
	return t.writeTab(ctx, a.To, append(pieces, more...), nil)
}

// movePayment returns what moves a payment to a tab.
func (t *Till) movePayment(ctx context.Context, payment, to crdt.ObjectID) ([]crdt.Piece, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypePayment, payment))
	if err != nil {
		return nil, err
	}
	pieces, err := handover.MovePayment(payment, obj, to)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	return pieces, nil
}

// PayBack gives the money of a payment that is on no receipt back in cash, with a receipt that lists both and comes to nothing.
func (t *Till) PayBack(ctx context.Context, id crdt.ObjectID, user, reason string) (Receipt, error) {
	if made, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, made)
	}
	c, found, err := t.caseOf(ctx, id)
	switch {
	case err != nil:
		return Receipt{}, err
	case !found:
		return Receipt{}, refuse(CodeNoCase, "list the cases with GET /api/v1/cases", "there is no case %v (any more)", id)
	case c.Kind != book.CaseOrphan:
		return Receipt{}, refuse(CodeNoWay, "look at the ways of the case", "this case is not about a payment")
	}
	defer t.tabs.own(c.Objects[0])() // one at a time pays it back
	p, open := t.book.Payment(c.Objects[0])
	if !open {
		return Receipt{}, refuse(CodeNoCase, "list the cases with GET /api/v1/cases", "the payment is on a receipt by now")
	}
	release, err := t.room.sale()
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	head, err := t.head(ctx, user, reason)
	if err != nil {
		return Receipt{}, err
	}
	line, back := t.env.objectID(), t.env.objectID()
	return t.number(ctx, head, func(h receipt.Closing) (receipt.Closed, []crdt.Piece, error) {
		d := h.Header(receipt.KindReceipt)
		d.Lines = []receipt.DocLine{{ID: line, Name: payBackText, Quantity: receipt.DefaultQuantity, Tax: receipt.TaxRef{Key: receipt.KeyNotTaxable},
			Case: receipt.SaleCase, User: user, Till: t.id.Till, Time: h.Closed}}
		d.Payments = []receipt.DocPayment{
			{ID: p.ID, Type: p.Payment.Type, Name: p.Payment.Name, Tendered: p.Payment.Amount, Progress: p.State, User: p.Payment.User,
				Till: p.Payment.Till, Time: h.Time(p.Payment.MS)},
			{ID: back, Type: receipt.CashType, Tendered: -p.Payment.Amount, User: user, Till: t.id.Till, Time: h.Closed},
		}
		closed, err := h.Issue(d, receipt.Supersedes{Payments: []crdt.ObjectID{p.ID}})
		return closed, nil, err
	})
}
