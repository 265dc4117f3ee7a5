package node

import (
	"context"
	"errors"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// plan is what accepting a case does.
type plan struct {
	drafts []draft
	left   []crdt.ObjectID // receipts that stay, the primary first
}

// plan works out what accepting a case does. primary is the receipt that is to stay of one that was settled twice, zero: as the
// rule of the book says. head is that of the receipts; nil: one is made, for showing.
func (t *Till) plan(ctx context.Context, c book.Case, primary crdt.ObjectID, head *receipt.Closing) (plan, error) {
	if head == nil {
		now, err := t.head(ctx, "", "")
		if err != nil {
			return plan{}, err
		}
		head = &now
	}
	switch c.Kind {
	case book.CaseDouble:
		return t.planDouble(ctx, c, primary, *head)
	case book.CaseDoubleRefund:
		o, ok, err := t.findOver(ctx, c.Receipts[0])
		if err != nil || !ok {
			return plan{left: c.Receipts}, err
		}
		drafts, err := t.correcting(ctx, o, *head)
		return plan{drafts, c.Receipts}, err
	case book.CaseLateVoid:
		return t.planLateVoid(ctx, c, *head)
	}
	return plan{left: c.Receipts}, nil
}

// standing is a receipt of a case, and what of the case's lines was not taken back yet.
type standing struct {
	Receipt
	earlier []refund
	takes   []receipt.Taken
}

func (t *Till) standing(ctx context.Context, id crdt.ObjectID, lines []crdt.ObjectID) (s standing, err error) {
	if s.Receipt, err = t.receipt(ctx, id); errors.Is(err, ErrNotFound) {
		return s, refuse(CodeNoReceipt, "wait until the tills met", "a receipt of this case is not here")
	} else if err != nil {
		return s, err
	}
	if s.Parsed.Kind != receipt.KindReceipt { // a tab that was given up: it comes to nothing
		return s, nil
	}
	if s.earlier, err = t.refundsOf(ctx, id); err != nil {
		return s, err
	}
	taken := takenOf(s.earlier)
	for _, l := range s.Parsed.Lines {
		if slices.Contains(lines, l.ID) && soldOf(l) > taken[l.ID] {
			s.takes = append(s.takes, receipt.Taken{Line: l.ID})
		}
	}
	return s, nil
}

// planDouble takes back what stands on another receipt of the case, too.
func (t *Till) planDouble(ctx context.Context, c book.Case, primary crdt.ObjectID, head receipt.Closing) (plan, error) {
	var list []standing
	for _, id := range c.Receipts {
		s, err := t.standing(ctx, id, c.Objects)
		if err != nil {
			return plan{}, err
		}
		list = append(list, s)
	}
	stays := slices.IndexFunc(list, func(s standing) bool { return len(s.takes) > 0 })
	if !primary.IsZero() {
		stays = slices.IndexFunc(list, func(s standing) bool { return s.ID == primary })
		if stays < 0 {
			return plan{}, refuse(CodeDecision, "choose one of the receipts of this case", "receipt %v is not one of this case", primary)
		}
		if len(list[stays].takes) == 0 {
			return plan{}, refuse(CodeDecision, "choose another one", "%s cannot stay: it was given up or taken back", list[stays].Number)
		}
	}
	stays = max(stays, 0)
	p := plan{left: []crdt.ObjectID{list[stays].ID}}
	shared := make(map[crdt.ObjectID]bool)
	for _, x := range list[stays].Parsed.Payments {
		shared[x.ID] = true
	}
	for i, s := range list {
		if i == stays || len(s.takes) == 0 {
			continue
		}
		d, err := t.draft(s.Parsed, s.takes, takenOf(s.earlier), head)
		if err != nil {
			return p, err
		}
		if d.payments, err = t.payBack(ctx, s.Parsed, s.earlier, d.gross, shared); err != nil {
			return p, err
		}
		p.drafts = append(p.drafts, d)
	}
	return p, nil
}

// planLateVoid refunds a line that was voided after it was settled.
func (t *Till) planLateVoid(ctx context.Context, c book.Case, head receipt.Closing) (plan, error) {
	p := plan{left: c.Receipts}
	if len(c.Receipts) == 0 {
		return p, nil
	}
	s, err := t.standing(ctx, c.Receipts[0], []crdt.ObjectID{c.Target})
	if err != nil || len(s.takes) == 0 {
		return p, err
	}
	v, err := t.void(ctx, c.Objects[0])
	if err != nil {
		return p, err
	}
	i := slices.IndexFunc(s.Parsed.Lines, func(l receipt.DocLine) bool { return l.ID == c.Target })
	if rest := soldOf(s.Parsed.Lines[i]) - takenOf(s.earlier)[c.Target]; v.Quantity != 0 {
		s.takes[0].Quantity = min(v.Quantity, rest)
	}
	d, err := t.draft(s.Parsed, s.takes, takenOf(s.earlier), head)
	if err != nil {
		return p, err
	}
	d.payments, err = t.payBack(ctx, s.Parsed, s.earlier, d.gross, nil)
	p.drafts = []draft{d}
	return p, err
}

// void reads the item of a void.
func (t *Till) void(ctx context.Context, id crdt.ObjectID) (v receipt.Void, err error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeVoid, id))
	if err != nil {
		return v, err
	}
	if len(obj.Items) == 0 {
		return v, refuse(CodeDecision, "look at the case again", "the void is not here any more")
	}
	p, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil {
		return v, err
	}
	if p == nil {
		return v, refuse(CodeDecision, "look at the case again", "the void is not here any more")
	}
	return receipt.ParseVoid(p.Raw)
}
