package whole

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

// correct does at random what makes a receipt without a tab: it takes back, moves cash, decides a case or gives a tab up.
func (s *Shop) correct(t *Till, v node.TabView) {
	switch n := s.rand.IntN(100); {
	case n < 45:
		s.takeBackAny(t)
	case n < 60:
		s.moveCash(t)
	case n < 80:
		s.decideAny(t)
	default:
		s.giveUp(t, v.ID)
	}
}

// written is a request that makes a receipt without a tab; it is sent again if there was no answer.
func (s *Shop) written(t *Till, what string, about any, do func(context.Context, *node.Till) (node.Receipt, error)) {
	s.writtenUnder(t, what, about, s.object().String(), do)
}

func (s *Shop) writtenUnder(t *Till, what string, about any, key string, do func(context.Context, *node.Till) (node.Receipt, error)) {
	var r node.Receipt
	s.do(t, what, about, func(ctx context.Context, till *node.Till) (err error) {
		r, err = do(node.ForRequest(ctx, key, [32]byte{2}), till)
		return err
	}, func(f fate) {
		switch {
		case f == saved && r.Number != "":
			s.issued(t, r)
		case f == unknown:
			t.again = func() { s.writtenUnder(t, what, about, key, do) }
		}
	})
}

func (s *Shop) takeBackAny(t *Till) {
	list, _, err := t.Node().Receipts(context.Background(), node.ReceiptFilter{}, "", 8)
	if err != nil {
		s.W.Fail("%s: list receipts: %v", t.Name, err)
		return
	}
	if len(list) == 0 {
		return
	}
	id := list[s.rand.IntN(len(list))].ID.String()
	of, err := t.Node().Receipt(context.Background(), id)
	if err != nil {
		s.W.Fail("%s: read receipt %s: %v", t.Name, id, err)
		return
	}
	if s.chance(30) || len(of.Parsed.Lines) == 0 {
		s.written(t, "cancel", of.Number, func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			return till.CancelReceipt(ctx, id, node.Correction{User: t.Name})
		})
		return
	}
	l := of.Parsed.Lines[s.rand.IntN(len(of.Parsed.Lines))]
	take := receipt.Taken{Line: l.ID}
	if s.chance(60) {
		take.Quantity = receipt.Quantity(250 * (1 + s.rand.IntN(8)))
	}
	s.written(t, "refund", of.Number, func(ctx context.Context, till *node.Till) (node.Receipt, error) {
		return till.RefundReceipt(ctx, id, node.Correction{Lines: []receipt.Taken{take}, User: t.Name})
	})
}

func (s *Shop) moveCash(t *Till) {
	whats := []string{node.CashIn, node.CashOut, node.CashDrop, node.CashFloat}
	m := node.CashMove{What: whats[s.rand.IntN(len(whats))], Amount: 1 + receipt.Amount(s.rand.IntN(10_000)), User: t.Name}
	s.written(t, "cash", m.What, func(ctx context.Context, till *node.Till) (node.Receipt, error) { return till.MoveCash(ctx, m) })
}

func (s *Shop) giveUp(t *Till, tab crdt.ObjectID) {
	s.written(t, "abandon", tab, func(ctx context.Context, till *node.Till) (node.Receipt, error) {
		return till.AbandonTab(ctx, tab, t.Name, "Gast ging")
	})
}

func (s *Shop) decideAny(t *Till) {
	list, err := t.Node().CaseList(context.Background())
	if err != nil {
		s.W.Fail("%s: list cases: %v", t.Name, err)
		return
	}
	if len(list) == 0 {
		return
	}
	c := list[s.rand.IntN(len(list))]
	d := node.Decision{What: node.DecideAccept, User: t.Name, Reason: "so ist es"}
	switch {
	case c.Kind == book.CaseOrphan || c.Kind == book.CaseLateDiscount || c.Kind == book.CaseUnreadable:
		return // other ways out are left to others
	case c.Kind == book.CaseContinuation:
		d.What = node.DecideDismiss
	case s.chance(30) && c.Kind != book.CaseLateVoid:
		d.What = node.DecideKeep
	}
	s.written(t, "resolve", fmt.Sprint(c.Kind, " ", d.What), func(ctx context.Context, till *node.Till) (r node.Receipt, err error) {
		_, done, err := till.Resolve(ctx, c.ID, d)
		if err == nil && len(done) > 0 {
			r = done[len(done)-1]
		}
		return r, err
	})
}
