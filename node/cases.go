package node

import (
	"context"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// Changes of cases in events.
const (
	ChangeOpened   = "opened"   // there is a new one
	ChangeResolved = "resolved" // a person decided
)

// Case is something about sales that a person has to decide, or decided.
type Case struct {
	ID crdt.ObjectID
	book.Case
	// Drafts are the receipts that accepting it writes; none: it can only be dismissed or kept, or there is nothing to pay back.
	Drafts []Draft
	// Decided is what was decided, the one that counts first; none: it is open.
	Decided []receipt.Resolution
}

// Draft is a receipt that accepting a case writes.
type Draft struct {
	Kind     string // of its references: receipt.ReferCancel, receipt.ReferRefund or ReferCorrect
	Of       crdt.ObjectID
	Number   string // of that receipt
	Lines    []DraftLine
	Payments []DraftPayment
	Gross    receipt.Amount // below zero: money goes back
	Currency string
}

// DraftLine is a line of a receipt that is taken back, or a part of it.
type DraftLine struct {
	Line     crdt.ObjectID // of the receipt that is taken back
	Name     string
	Quantity receipt.Quantity // magnitude
}

// DraftPayment is how money goes back. Shared: it was taken once and stands on the receipt that stays too, so nothing is
// handed out for it.
type DraftPayment struct {
	Type, Name string
	Amount     receipt.Amount
	Shared     bool
	Terminal   bool // a card terminal took it, and gives it back
}

// Cases lists what people have to decide about sales.
func (t *Till) Cases(ctx context.Context) ([]book.Case, error) {
	all, err := t.allCases(ctx)
	if err != nil {
		return nil, err
	}
	out := all[:0]
	for _, c := range all {
		decided, err := t.decisionsAbout(ctx, c.ID())
		if err != nil {
			return nil, err
		}
		if len(decided) == 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// allCases lists the cases, those that were decided too as long as what they are about is there.
func (t *Till) allCases(ctx context.Context) ([]book.Case, error) {
	out, err := t.openCases(ctx)
	if err != nil {
		return nil, err
	}
	refunds, err := t.doubleRefunds(ctx)
	return append(out, refunds...), err
}

// CaseList lists what people have to decide with what accepting it would write, and after it what was decided in the last 30
// days.
func (t *Till) CaseList(ctx context.Context) ([]Case, error) {
	all, err := t.allCases(ctx)
	if err != nil {
		return nil, err
	}
	var open, done []Case
	seen := make(map[crdt.ObjectID]bool)
	for _, c := range all {
		shown, err := t.showCase(ctx, c)
		if err != nil {
			return nil, err
		}
		seen[shown.ID] = true
		if len(shown.Decided) == 0 {
			open = append(open, shown)
		} else if recent(t.clock.Now(), shown.Decided[0].MS) {
			done = append(done, shown)
		}
	}
	for _, id := range t.decided.cases() {
		if seen[id] {
			continue
		}
		c, ok, err := t.decidedCase(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case !ok || !recent(t.clock.Now(), c.Decided[0].MS):
			t.decided.drop(id)
		default:
			done = append(done, c)
		}
	}
	return append(open, done...), nil
}

// Case returns one case, [ErrNotFound] if there is none: neither open nor decided.
func (t *Till) Case(ctx context.Context, id crdt.ObjectID) (Case, error) {
	all, err := t.allCases(ctx)
	if err != nil {
		return Case{}, err
	}
	for _, c := range all {
		if c.ID() == id {
			return t.showCase(ctx, c)
		}
	}
	c, ok, err := t.decidedCase(ctx, id)
	if err == nil && !ok {
		err = refuse(CodeNoCase, "list them with GET /api/v1/cases", "there is no case %v", id)
	}
	return c, err
}

func (t *Till) showCase(ctx context.Context, c book.Case) (Case, error) {
	out := Case{ID: c.ID(), Case: c}
	decided, err := t.decisionsAbout(ctx, out.ID)
	if err != nil {
		return out, err
	}
	for _, d := range decided {
		out.Decided = append(out.Decided, d.Resolution)
	}
	if len(decided) > 0 {
		return out, nil
	}
	plan, err := t.plan(ctx, c, crdt.ObjectID{}, nil)
	if no := (*Refusal)(nil); errors.As(err, &no) {
		return out, nil // it can be decided, but nothing can be written for it
	} else if err != nil {
		return out, err
	}
	if len(plan.left) > 0 && c.Kind == book.CaseDouble {
		out.Receipts, out.Numbers = firstFirst(c, plan.left[0])
	}
	for _, d := range plan.drafts {
		out.Drafts = append(out.Drafts, d.show())
	}
	return out, nil
}

// firstFirst puts a receipt of a case before the others.
func firstFirst(c book.Case, first crdt.ObjectID) (ids []crdt.ObjectID, numbers []string) {
	for _, primary := range []bool{true, false} {
		for i, id := range c.Receipts {
			if (id == first) == primary {
				ids, numbers = append(ids, id), append(numbers, c.Numbers[i])
			}
		}
	}
	return ids, numbers
}

// decidedCase returns a case of which nothing is left but what was decided.
func (t *Till) decidedCase(ctx context.Context, id crdt.ObjectID) (Case, bool, error) {
	decided, err := t.decisionsAbout(ctx, id)
	if err != nil || len(decided) == 0 {
		return Case{}, false, err
	}
	out := Case{ID: id, Case: book.Case{Kind: book.CaseKind(decided[0].Kind), Receipts: decided[0].Receipts}}
	for _, d := range decided {
		out.Decided = append(out.Decided, d.Resolution)
	}
	for _, r := range out.Receipts {
		number := ""
		if held, err := t.receipt(ctx, r); err == nil {
			number = held.Number
		} else if !errors.Is(err, ErrNotFound) {
			return out, false, err
		}
		out.Numbers = append(out.Numbers, number)
	}
	return out, true, nil
}

// show returns the draft as people see it.
func (d *draft) show() Draft {
	out := Draft{Of: d.of.ID, Number: receipt.NumberText(d.of.Series, d.of.Number), Gross: d.gross, Currency: d.of.Currency}
	for i, x := range d.taken {
		l := DraftLine{Line: x.Line, Quantity: x.Quantity}
		for k := range d.of.Lines {
			if d.of.Lines[k].ID == x.Line {
				l.Name = d.of.Lines[k].Name
			}
		}
		out.Lines, out.Kind = append(out.Lines, l), d.refs[i].Kind
	}
	for _, p := range d.payments {
		out.Payments = append(out.Payments, DraftPayment{p.Type, p.Name, p.Amount, p.Shared, p.Terminal})
	}
	return out
}
