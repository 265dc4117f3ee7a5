package node

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// Split says what of a tab goes to another one.
type Split struct {
	To      crdt.ObjectID // an open tab, or the ID of a new one; zero: a new one
	Name    string        // of a new tab; empty: that of the tab that is split
	Parts   []SplitPart
	User    string
	all     bool            // with the payments: nothing is to stay
	PartIDs []crdt.ObjectID // of the voids that parts of lines need, one per part; nil: the till chooses
}

// SplitPart is a line, or part of one.
type SplitPart struct {
	Line     crdt.ObjectID
	Quantity receipt.Quantity // magnitude; zero: all that is left of it
}

// SplitTab puts lines and parts of lines on another tab, which is opened if it is not there. What goes and what stays come
// together to what the tab came to, to the cent, discounts on the tab included if the other tab is new; to one that was open
// before, discounts on the tab do not go along. Done again with the same IDs it does the rest.
func (t *Till) SplitTab(ctx context.Context, from crdt.ObjectID, s Split) (Moved, error) {
	if s.To.IsZero() {
		s.To = t.env.objectID()
	}
	for len(s.PartIDs) < len(s.Parts) {
		s.PartIDs = append(s.PartIDs, t.env.objectID())
	}
	defer t.tabs.own(from, s.To)()
	source, err := t.openTab(ctx, from)
	if err != nil {
		return Moved{}, err
	}
	target, isOpen, err := t.splitTarget(ctx, source, s.To)
	if err != nil {
		return Moved{}, err
	}
	if !isOpen {
		target.Head.Training = source.Head.Training
	}
	w := splitter{till: t, ctx: ctx, split: s, source: source, target: target, isOpen: isOpen}
	if err := w.parts(); err != nil {
		return Moved{}, err
	}
	if s.all {
		if err := w.payments(); err != nil {
			return Moved{}, err
		}
		source.Paid = 0
	}
	stays := source
	if !isOpen { // its discounts are shared
		stays.Discounts = nil
	}
	if err := t.mayMove(stays, target, w.stay, len(w.came)); err != nil {
		return Moved{}, err
	}
	if err := w.tab(); err != nil {
		return Moved{}, err
	}
	return t.movedTo(ctx, from, s.To, w.groups)
}

// splitTarget returns the tab that lines are to go to, and whether it is open already.
func (t *Till) splitTarget(ctx context.Context, source receipt.TabView, to crdt.ObjectID) (receipt.TabView, bool, error) {
	v, state, ok := t.book.Tab(to)
	switch {
	case ok && state == book.StateOpen && v.ID == source.ID:
		return v, false, refuse(CodeSameTab, "name another tab", "both are the same tab")
	case ok && state == book.StateOpen:
		return v, true, nil
	case ok:
		return v, false, refuse(CodeNoTab, "open a tab for it first", "tab %v is not open", to)
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, to))
	if err == nil && obj.Gone {
		err = t.notOpen(ctx, to)
	}
	if err == nil {
		err = t.room.openTab()
	}
	return receipt.TabView{ID: to}, false, err
}

// splitter collects what a split writes.
type splitter struct {
	till   *Till
	ctx    context.Context
	split  Split
	source receipt.TabView
	target receipt.TabView
	isOpen bool // the target was open before

	groups [][]crdt.Piece
	came   []receipt.LineView // on the target afterwards
	stay   []receipt.LineView // on the tab afterwards
}

// parts collects the lines and parts of lines.
func (w *splitter) parts() error {
	w.stay = append(w.stay, w.source.Lines...)
	for k, p := range w.split.Parts {
		i := lineIndex(receipt.TabView{Lines: w.stay}, p.Line)
		if i < 0 {
			if lineIndex(w.target, p.Line) >= 0 {
				continue // it went there before
			}
			return refuse(CodeNoLine, "look at the lines with GET /api/v1/tabs/{id}", "there is no line %v on the tab, or it is named twice", p.Line)
		}
		l := w.stay[i]
		left := magnitude(l.Line.Quantity) - l.Voided
		if p.Quantity < 0 || p.Quantity > left || left == 0 {
			return refuse(CodeQuantity, "", "of line %v %d thousandths are left", p.Line, left)
		}
		if p.Quantity == 0 || p.Quantity == left {
			pieces, err := w.till.moveLine(w.ctx, l.ID, w.split.To)
			if err != nil {
				return err
			}
			w.groups = append(w.groups, pieces)
			w.came = append(w.came, l)
			w.stay = append(w.stay[:i:i], w.stay[i+1:]...)
			continue
		}
		if lineIndex(w.target, PartOf(w.split.PartIDs[k])) >= 0 {
			continue
		}
		if err := w.part(i, p.Quantity, w.split.PartIDs[k]); err != nil {
			return err
		}
	}
	return nil
}

// part takes a part off line i of those that stay.
func (w *splitter) part(i int, quantity receipt.Quantity, void crdt.ObjectID) error {
	l := &w.stay[i]
	if l.Err != nil {
		return refuseInvalid(l.Err)
	}
	cut, err := cutLine(l, quantity)
	if err != nil {
		return refuseInvalid(err)
	}
	id, now := PartOf(void), w.till.clock.MS()
	pieces, err := receipt.NewVoid(void, receipt.Void{Line: l.ID, Quantity: quantity, Reason: splitReason, User: w.split.User, Till: w.till.id.Till, MS: now})
	if err != nil {
		return refuseInvalid(err)
	}
	more, err := receipt.NewLine(id, w.split.To, cut.line)
	if err != nil {
		return refuseInvalid(err)
	}
	pieces = append(pieces, more...)
	came := receipt.LineView{ID: id, Line: cut.line}
	for k := range l.Discounts {
		d := l.Discounts[k].Discount
		if l.Discounts[k].Refused {
			continue
		}
		if d.Kind == receipt.DiscountAmount {
			if d.Amount = cut.keep; cut.keep != l.Discounts[k].Discount.Amount {
				if pieces, err = w.discount(pieces, d); err != nil {
					return err
				}
			}
			l.Discounts[k].Discount.Amount = cut.keep
			continue
		}
		if cut.plain {
			continue
		}
		d.Target = id
		if pieces, err = w.discount(pieces, d); err != nil {
			return err
		}
		came.Discounts = append(came.Discounts, receipt.DiscountView{ID: d.ID(), Discount: d})
	}
	if cut.give != 0 {
		d := receipt.Discount{Target: id, On: receipt.OnLine, Kind: receipt.DiscountAmount, Amount: cut.give, Reason: splitReason, User: w.split.User,
			Till: w.till.id.Till, MS: now}
		for _, v := range l.Discounts {
			if v.Discount.Kind == receipt.DiscountAmount || cut.plain {
				d.Reason = v.Discount.Reason
			}
		}
		if pieces, err = w.discount(pieces, d); err != nil {
			return err
		}
		came.Discounts = append(came.Discounts, receipt.DiscountView{ID: d.ID(), Discount: d})
	}
	l.Voided += quantity
	w.groups, w.came = append(w.groups, pieces), append(w.came, came)
	return nil
}

// payments takes the payments along.
func (w *splitter) payments() error {
	for _, p := range w.source.Payments {
		pieces, err := w.till.movePayment(w.ctx, p.ID, w.split.To)
		if err != nil {
			return err
		}
		w.groups = append(w.groups, pieces)
	}
	return nil
}

// discount adds the write of a discount.
func (w *splitter) discount(pieces []crdt.Piece, d receipt.Discount) ([]crdt.Piece, error) {
	obj, err := w.till.store.Object(w.ctx, salesKey(receipt.TypeDiscount, d.ID()))
	if err != nil {
		return nil, err
	}
	more, err := receipt.EditDiscount(obj, d)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	return append(pieces, more...), nil
}

// tab opens the target if it is new, and shares the discounts on the tab between both.
func (w *splitter) tab() error {
	if w.isOpen || len(w.groups) == 0 {
		return nil
	}
	source := w.source
	head := receipt.Head{Name: or(w.split.Name, source.Head.Name), OpenedMS: w.till.clock.MS(), Till: w.till.id.Till, User: w.split.User,
		Shared: source.Head.Shared || !source.Open, Training: source.Head.Training}
	pieces, err := receipt.EditTab(w.split.To, nil, receipt.TabEdit{Head: &head})
	if err != nil {
		return refuseInvalid(err)
	}
	if len(source.Discounts) > 0 {
		if pieces, err = w.shareDiscounts(pieces); err != nil {
			return err
		}
	}
	w.groups = append([][]crdt.Piece{pieces}, w.groups...)
	return nil
}

// shareDiscounts gives the new tab its part of the discounts on the tab: the same percentage, and of a fixed amount what makes
// both come to what the tab came to.
func (w *splitter) shareDiscounts(pieces []crdt.Piece) ([]crdt.Piece, error) {
	percents, fixed := bare(reductionsOf(w.source.Discounts))
	staying, err := totalsOf(w.stay, percents)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	going, err := totalsOf(w.came, percents)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	keep := receipt.Amount(0)
	if fixed != 0 {
		shares, err := receipt.Shares(fixed, []receipt.Amount{going.Gross, staying.Gross})
		if err != nil {
			return nil, refuseInvalid(err)
		}
		if keep = min(shares[1], magnitude(staying.Gross)); len(w.stay) == 0 {
			keep = 0
		}
		if staying, err = totalsOf(w.stay, reduced(percents, keep)); err != nil {
			return nil, refuseInvalid(err)
		}
	}
	if err := notOverpaid(w.source, staying.Gross); err != nil {
		return nil, err
	}
	target := w.source.Totals.Gross - staying.Gross
	give := magnitude(going.Gross) - magnitude(target)
	if give < 0 { // the percentage alone would take a cent too much
		bareOf, err := totalsOf(w.came, nil)
		if err != nil {
			return nil, refuseInvalid(err)
		}
		percents, give = nil, magnitude(bareOf.Gross)-magnitude(target)
	}
	now := w.till.clock.MS()
	for _, v := range w.source.Discounts {
		d := v.Discount
		if v.Refused {
			continue
		}
		switch {
		case d.Kind == receipt.DiscountAmount:
			if d.Amount != keep {
				d.Amount, d.Target, d.MS = keep, w.source.ID, now
				if pieces, err = w.discount(pieces, d); err != nil {
					return nil, err
				}
			}
		case percents != nil:
			d.Target = w.split.To
			if pieces, err = w.discount(pieces, d); err != nil {
				return nil, err
			}
		}
	}
	if give <= 0 {
		return pieces, nil
	}
	return w.discount(pieces, receipt.Discount{Target: w.split.To, On: receipt.OnTab, Kind: receipt.DiscountAmount, Amount: give,
		Reason: w.source.Discounts[0].Discount.Reason, User: w.split.User, Till: w.till.id.Till, MS: now})
}
