package node

import (
	"context"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// Codes of refusals about work on several tabs.
const (
	CodeSameTab  = "same-tab"   // both tabs are one
	CodeNotMerge = "not-merged" // a tab that was not merged cannot be taken apart
	CodePaidMore = "paid-more"  // what was paid is more than what would stay
)

// Moved is how two tabs stand after lines went from one to the other.
type Moved struct{ From, To TabView }

// MoveLines puts lines of a tab, or of lines that came after their tab was closed, on another open tab. A line that is there
// already stays. Voids and discounts of a line go with it, what was given on the whole tab does not.
func (t *Till) MoveLines(ctx context.Context, from, to crdt.ObjectID, lines []crdt.ObjectID) (Moved, error) {
	defer t.tabs.own(from, to)()
	source, target, err := t.bothTabs(ctx, from, to)
	if err != nil {
		return Moved{}, err
	}
	var moved []receipt.LineView
	for _, id := range lines {
		if i := lineIndex(source, id); i >= 0 {
			if lineIndex(receipt.TabView{Lines: moved}, id) < 0 {
				moved = append(moved, source.Lines[i])
			}
		} else if lineIndex(target, id) < 0 {
			return Moved{}, refuse(CodeNoLine, "look at the lines with GET /api/v1/tabs/{id}", "there is no line %v on the tab", id)
		}
	}
	stay := slices.DeleteFunc(slices.Clone(source.Lines), func(l receipt.LineView) bool { return slices.Contains(lines, l.ID) })
	if err := t.mayMove(source, target, stay, len(moved)); err != nil {
		return Moved{}, err
	}
	var pieces []crdt.Piece
	for _, l := range moved {
		p, err := t.moveLine(ctx, l.ID, target.ID)
		if err != nil {
			return Moved{}, err
		}
		pieces = append(pieces, p...)
	}
	return t.movedTo(ctx, from, to, [][]crdt.Piece{pieces})
}

// bothTabs returns two different tabs, of which the second one must be open.
func (t *Till) bothTabs(ctx context.Context, from, to crdt.ObjectID) (source, target receipt.TabView, err error) {
	if source, err = t.openTab(ctx, from); err != nil {
		return source, target, err
	}
	target, state, ok := t.book.Tab(to)
	switch {
	case !ok:
		return source, target, t.notOpen(ctx, to)
	case state != book.StateOpen:
		return source, target, refuse(CodeNoTab, "open a tab for it first", "tab %v is not open", to)
	case source.ID == target.ID:
		return source, target, refuse(CodeSameTab, "name another tab", "both are the same tab")
	}
	return source, target, nil
}

func lineIndex(v receipt.TabView, id crdt.ObjectID) int {
	return slices.IndexFunc(v.Lines, func(l receipt.LineView) bool { return l.ID == id })
}

// mayMove refuses what would leave a tab that cannot be closed. stay is what is left on the source, came how many lines the
// target gets.
func (t *Till) mayMove(source, target receipt.TabView, stay []receipt.LineView, came int) error {
	if err := t.noPaymentRuns(source, target); err != nil {
		return err
	}
	if came == 0 {
		return nil
	}
	if source.Head.Training != target.Head.Training {
		return refuse(CodeSameTab, "close them one by one", "one of the tabs is for practice, the other is not")
	}
	if len(target.Lines)+came > receipt.MaxLines {
		return refuse(CodeTooManyLines, "move fewer lines, or to another tab", "a tab has at most %d lines; that one has %d", receipt.MaxLines, len(target.Lines))
	}
	if target.Currency != "" && source.Currency != "" && source.Currency != target.Currency {
		return refuse(CodeCurrency, "", "the lines are in %s, those of the other tab in %s", source.Currency, target.Currency)
	}
	left, err := totalsOf(stay, reductionsOf(source.Discounts))
	if err != nil && len(stay) > 0 {
		return refuse(CodeDiscount, "change the discount on the tab first", "what would stay is less than the discount on the tab: %v", err)
	}
	return notOverpaid(source, left.Gross)
}

// notOverpaid refuses if what was paid for a tab is more than what is left on it.
func notOverpaid(v receipt.TabView, left receipt.Amount) error {
	if v.Paid > 0 && v.Paid > left {
		return refuse(CodePaidMore, "leave lines for what was paid, or move the rest after the tab was closed", "%d were paid for the tab, and %d would be left on it",
			v.Paid, left)
	}
	return nil
}

// noPaymentRuns refuses to change what tabs come to while a card payment for one of them runs here or at a till in reach.
func (t *Till) noPaymentRuns(tabs ...receipt.TabView) error {
	for _, v := range tabs {
		for _, till := range runningPayments(v) {
			if till != t.id.Till && !t.Reaches(till) {
				continue
			}
			r := refuse(CodeHeldPayment, "wait until that payment is over", "a card payment for this tab runs at %s", t.roster.name(till))
			r.Ref = t.roster.name(till)
			return r
		}
	}
	return nil
}

// Reaches reports whether there is a link to a till.
func (t *Till) Reaches(till crdt.TillID) bool { return t.Linked()[till] }

// Linked returns the tills there is a link to.
func (t *Till) Linked() map[crdt.TillID]bool {
	out := make(map[crdt.TillID]bool)
	for _, l := range t.tillLinks() {
		if l.Ready {
			out[l.Till] = true
		}
	}
	return out
}

// moveLine returns what puts a line on a tab.
func (t *Till) moveLine(ctx context.Context, line, to crdt.ObjectID) ([]crdt.Piece, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeLine, line))
	if err != nil {
		return nil, err
	}
	p, err := receipt.MoveLine(line, obj, to)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	return p, nil
}

// movedTo writes groups of pieces, each of them whole, and returns both tabs after it.
func (t *Till) movedTo(ctx context.Context, from, to crdt.ObjectID, groups [][]crdt.Piece) (out Moved, err error) {
	if err := t.room.change(); err != nil {
		return out, err
	}
	if err := t.commitGroups(ctx, groups); err != nil {
		return out, err
	}
	t.touch(from)
	t.touch(to)
	if out.To, err = t.Tab(ctx, to); err != nil {
		return out, err
	}
	out.From, err = t.Tab(ctx, from)
	if refusal, ok := isRefusal(err); ok && refusal.Code == CodeNoTab { // a continuation without a line is no tab any more
		out.From, err = TabView{State: StateClosed, TabView: receipt.TabView{ID: from}}, nil
	}
	return out, err
}

// commitGroups writes groups of pieces in as few changes as they fit in; a group is never cut. Pieces of a group that is too
// large for one change stand alone: it is one of moves, which need nothing beside them.
func (t *Till) commitGroups(ctx context.Context, groups [][]crdt.Piece) error {
	var next []crdt.Piece
	objects, size := 0, 0
	flush := func() error {
		if len(next) == 0 {
			return nil
		}
		err := t.commit(ctx, crdt.Sales, receipt.Schema, next)
		next, objects, size = nil, 0, 0
		return err
	}
	for _, g := range groups {
		n, bytes := weigh(g)
		if n > crdt.MaxObjects/2 {
			if err := flush(); err != nil {
				return err
			}
			if err := t.commitSplit(ctx, crdt.Sales, receipt.Schema, g); err != nil {
				return err
			}
			continue
		}
		if objects+n > crdt.MaxObjects || size+bytes > crdt.MaxCommit-16<<10 || len(next)+len(g) > crdt.MaxPieces {
			if err := flush(); err != nil {
				return err
			}
		}
		next, objects, size = append(next, g...), objects+n, size+bytes
	}
	return flush()
}

// weigh returns how many objects pieces touch, and about how many bytes they take.
func weigh(pieces []crdt.Piece) (objects, size int) {
	seen := make(map[crdt.ObjectID]bool)
	for i := range pieces {
		seen[pieces[i].Object] = true
		size += len(pieces[i].Raw) + 30*len(pieces[i].Clock) + 128
	}
	return len(seen), size
}
