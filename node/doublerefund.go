package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// ReferCorrect is the kind of the references of a receipt that puts right that another one took back what was taken back
// before.
const ReferCorrect = "correct"

// overRefunded is a receipt of which more was taken back than it sold.
type overRefunded struct {
	of      Receipt
	refunds []refund
	by      []Receipt                            // of the refunds, in their order
	excess  []map[crdt.ObjectID]receipt.Quantity // by line, of each refund: what was taken back before already
	lines   []crdt.ObjectID                      // of which too much was taken back
	put     []map[crdt.ObjectID]receipt.Quantity // what was put right of each refund, by its own lines
	mapped  []map[crdt.ObjectID][]int            // lines of each refund's receipt, by the line that they take back
}

// findOver returns what was taken back too much of a receipt; ok is false if that is nothing, or if the receipt or one that took
// back from it is not here.
func (t *Till) findOver(ctx context.Context, id crdt.ObjectID) (o overRefunded, ok bool, err error) {
	if o.of, err = t.receipt(ctx, id); errors.Is(err, ErrNotFound) {
		return o, false, nil
	} else if err != nil {
		return o, false, err
	}
	if o.refunds, err = t.refundsOf(ctx, id); err != nil {
		return o, false, err
	}
	left := make(map[crdt.ObjectID]receipt.Quantity)
	for _, l := range o.of.Parsed.Lines {
		left[l.ID] = soldOf(l)
	}
	for _, r := range o.refunds {
		by, err := t.receipt(ctx, r.By)
		if errors.Is(err, ErrNotFound) {
			return o, false, nil
		} else if err != nil {
			return o, false, err
		}
		corrections, err := t.refundsOf(ctx, r.By)
		if err != nil {
			return o, false, err
		}
		mapped, err := mirrorsOf(by.Parsed, id)
		if err != nil {
			return o, false, err
		}
		put, excess := takenOf(corrections), make(map[crdt.ObjectID]receipt.Quantity)
		for _, l := range r.Lines {
			net := l.Quantity - min(l.Quantity, put[by.Parsed.Lines[mapped[l.Line][0]].ID])
			if over := net - min(net, left[l.Line]); over > 0 {
				excess[l.Line] = over
				if !slices.Contains(o.lines, l.Line) {
					o.lines = append(o.lines, l.Line)
				}
			}
			left[l.Line] -= min(net, left[l.Line])
		}
		o.by, o.put, o.excess, o.mapped = append(o.by, by), append(o.put, put), append(o.excess, excess), append(o.mapped, mapped)
	}
	slices.SortFunc(o.lines, crdt.ObjectID.Compare)
	return o, len(o.lines) > 0, nil
}

// mirrorsOf returns which lines of a receipt take back which line of another one: one line, and for some a second one with the
// cent that price times quantity does not come to.
func mirrorsOf(by receipt.Document, of crdt.ObjectID) (map[crdt.ObjectID][]int, error) {
	out, at := make(map[crdt.ObjectID][]int), 0
	for _, r := range by.References {
		if r.ID != of || at == len(by.Lines) {
			return nil, fmt.Errorf("%s does not take back the lines that it names", receipt.NumberText(by.Series, by.Number))
		}
		out[r.Line] = []int{at}
		main := by.Lines[at].ID
		if at++; at < len(by.Lines) && by.Lines[at].ID == crdt.DeriveObjectID("mirrored cent", main[:]) {
			out[r.Line] = append(out[r.Line], at)
			at++
		}
	}
	return out, nil
}

// asCase shows it. Every till that holds the same shows the same.
func (o *overRefunded) asCase() book.Case {
	c := book.Case{Kind: book.CaseDoubleRefund, Objects: o.lines, Receipts: []crdt.ObjectID{o.of.ID}, Numbers: []string{o.of.Number}}
	for i, r := range o.refunds {
		if slices.ContainsFunc(r.Lines, func(l receipt.Taken) bool { return slices.Contains(o.lines, l.Line) }) {
			c.Receipts, c.Numbers = append(c.Receipts, r.By), append(c.Numbers, o.by[i].Number)
		}
	}
	return c
}

// drafts returns the receipts that put it right: each mirrors what one refund took back too much. After them exactly what was
// sold is taken back, to the cent.
func (t *Till) correcting(ctx context.Context, o overRefunded, head receipt.Closing) (out []draft, err error) {
	for i := range o.refunds {
		if len(o.excess[i]) == 0 {
			continue
		}
		doc, takes, err := o.tooMuch(i)
		if err != nil {
			return nil, err
		}
		d, err := t.draft(doc, takes, o.put[i], head)
		if err != nil {
			return nil, err
		}
		for k := range d.refs {
			d.refs[k].Kind = ReferCorrect
		}
		d.of = o.by[i].Parsed
		earlier, err := t.refundsOf(ctx, o.by[i].ID)
		if err != nil {
			return nil, err
		}
		if d.payments, err = t.payBack(ctx, d.of, earlier, d.gross, nil); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// tooMuch returns a refund's receipt and which of its lines it should not have taken back. Where only a part of a line is too
// much, the line in the result stands for that part alone: it comes to what all refunds took back of it beyond what it was
// sold for, so no cent is left over by rounding.
func (o *overRefunded) tooMuch(i int) (receipt.Document, []receipt.Taken, error) {
	doc := o.by[i].Parsed
	doc.Lines = slices.Clone(doc.Lines)
	var takes []receipt.Taken
	for _, r := range o.refunds[i].Lines {
		over, mine := o.excess[i][r.Line], o.mapped[i][r.Line]
		main := &doc.Lines[mine[0]]
		switch {
		case over == 0:
		case over == r.Quantity:
			for _, k := range mine {
				takes = append(takes, receipt.Taken{Line: doc.Lines[k].ID})
			}
		case o.put[i][main.ID] > 0:
			takes = append(takes, receipt.Taken{Line: main.ID, Quantity: over})
		default:
			gross, err := o.grossTooMuch(i, r.Line)
			if err != nil {
				return doc, nil, err
			}
			main.Gross = gross
			if main.Quantity = over; o.by[i].Parsed.Lines[mine[0]].Quantity < 0 {
				main.Quantity = -over
			}
			takes = append(takes, receipt.Taken{Line: main.ID})
		}
	}
	return doc, takes, nil
}

// grossTooMuch returns how much of a line a refund took back too much, in money: what is beyond the line when everything that
// was taken back up to this refund is added up.
func (o *overRefunded) grossTooMuch(i int, line crdt.ObjectID) (sum receipt.Amount, err error) {
	for k := range i + 1 {
		for _, at := range o.mapped[k][line] {
			if k < i && o.excess[k][line] > 0 {
				continue // what it took too much is put right by its own receipt
			}
			if sum, err = sum.Add(o.by[k].Parsed.Lines[at].Gross); err != nil {
				return 0, err
			}
		}
	}
	at := slices.IndexFunc(o.of.Parsed.Lines, func(l receipt.DocLine) bool { return l.ID == line })
	return sum.Add(o.of.Parsed.Lines[at].Gross)
}
