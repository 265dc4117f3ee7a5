package whole

import (
	"context"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

// ofTab reports whether a receipt closed a tab. The lines of the others were typed by nobody: they follow from other receipts.
func ofTab(r node.Receipt) bool { return len(r.Parsed.Tabs) > 0 }

// allCases are the cases of a view, those that were decided too.
func (v view) allCases() []book.Case {
	out := slices.Clone(v.cases)
	for _, c := range v.decided {
		out = append(out, c.Case)
	}
	return out
}

// lookAtRefunds adds to a view what was taken back of each receipt, and what was decided about cases.
func (v *view) lookAtRefunds(ctx context.Context, t *node.Till) error {
	v.refunded = make(map[crdt.ObjectID][]node.Refunded)
	for _, r := range v.receipts {
		list, err := t.Refunded(ctx, r.ID)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			v.refunded[r.ID] = list
		}
	}
	list, err := t.CaseList(ctx)
	for _, c := range list {
		if len(c.Decided) > 0 {
			v.decided = append(v.decided, c)
		}
	}
	return err
}

// corrections checks what was taken back: never more than was sold, unless a case says so; when all of a receipt was taken back
// and put right, what is left of it is nothing, to the cent; and nothing was taken back that no receipt says.
func (s *Shop) corrections(v view) {
	byID := make(map[crdt.ObjectID]*node.Receipt, len(v.receipts))
	for i := range v.receipts {
		byID[v.receipts[i].ID] = &v.receipts[i]
	}
	over := make(map[crdt.ObjectID]bool)
	for _, c := range v.cases {
		if c.Kind == book.CaseDoubleRefund {
			over[c.Receipts[0]] = true
			s.told.answers["taken back twice"]++
		}
	}
	for _, c := range v.decided {
		if c.Kind == book.CaseDoubleRefund && len(c.Receipts) > 0 {
			over[c.Receipts[0]] = over[c.Receipts[0]] || c.Decided[0].Decision == "kept"
		}
	}
	claimed := make(map[[2]crdt.ObjectID]bool)
	for _, of := range v.receipts {
		list := v.refunded[of.ID]
		for _, r := range list {
			claimed[[2]crdt.ObjectID{of.ID, r.Receipt}] = true
		}
		if len(list) > 0 && !takesBack(of) {
			s.takenBack(v, of, byID, over[of.ID])
		}
	}
	var paid, booked receipt.Amount
	for _, r := range v.receipts {
		for _, ref := range r.Parsed.References {
			if !claimed[[2]crdt.ObjectID{ref.ID, r.ID}] {
				s.W.Fail("%s takes %v back, and that is not known of it", r.Number, ref.ID)
			}
		}
		booked += r.Parsed.Totals.Gross
		for _, p := range r.Parsed.Payments {
			paid += p.Amount
		}
	}
	if paid != booked {
		s.W.Fail("the receipts come to %d, money taken less money given back to %d", booked, paid)
	}
}

func takesBack(r node.Receipt) bool { return len(r.Parsed.References) > 0 }

// takenBack checks one receipt that was taken back, or a part of it.
func (s *Shop) takenBack(v view, of node.Receipt, byID map[crdt.ObjectID]*node.Receipt, over bool) {
	taken, money := make(map[crdt.ObjectID]receipt.Quantity), receipt.Amount(0)
	for _, r := range v.refunded[of.ID] {
		by := byID[r.Receipt]
		if by == nil {
			s.W.Fail("%s was taken back by %v, which is not there", of.Number, r.Receipt)
			return
		}
		money += by.Parsed.Totals.Gross
		for _, l := range r.Lines {
			taken[l.Line] += l.Quantity
		}
		for _, c := range v.refunded[by.ID] {
			money += byID[c.Receipt].Parsed.Totals.Gross
			for _, x := range c.Lines {
				i := slices.IndexFunc(by.Parsed.Lines, func(l receipt.DocLine) bool { return l.ID == x.Line })
				if i < 0 {
					s.W.Fail("%s puts a line of %s right that is not on it", byID[c.Receipt].Number, by.Number)
					return
				}
				if line, main := s.mirrored(of, *by, i); main {
					taken[line] -= x.Quantity
				}
			}
			for range v.refunded[c.Receipt] {
				over = true // somebody put right what was put right: two tills did it apart
			}
		}
	}
	all := true
	for _, l := range of.Parsed.Lines {
		sold := max(l.Quantity, -l.Quantity) - l.Voided
		if taken[l.ID] > sold && !over {
			s.W.Fail("of line %v of %s %d were sold and %d taken back, and that is no case", l.ID, of.Number, sold, taken[l.ID])
		}
		all = all && taken[l.ID] == sold
	}
	if all && !over && money != -of.Parsed.Totals.Gross {
		s.W.Fail("all of %s was taken back, %d of %d", of.Number, -money, of.Parsed.Totals.Gross)
	}
}

// mirrored returns which line of a receipt the i-th line of another one takes back, and whether it is the one with the quantity.
func (s *Shop) mirrored(of, by node.Receipt, i int) (line crdt.ObjectID, main bool) {
	at := 0
	for _, ref := range by.Parsed.References {
		if ref.ID != of.ID {
			continue
		}
		if at == i {
			return ref.Line, true
		}
		first := by.Parsed.Lines[at].ID
		if at++; at < len(by.Parsed.Lines) && by.Parsed.Lines[at].ID == crdt.DeriveObjectID("mirrored cent", first[:]) {
			if at == i {
				return ref.Line, false
			}
			at++
		}
	}
	s.W.Fail("line %d of %s takes nothing back", i, by.Number)
	return line, false
}
