package whole

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

func (s *Shop) open(t *Till) {
	id := s.object()
	name := fmt.Sprintf("Tisch %d", s.rand.IntN(20))
	s.do(t, "open", id, func(ctx context.Context, till *node.Till) error {
		_, err := till.OpenTab(ctx, node.NewTab{ID: id, Name: name, User: t.Name, Shared: true})
		return err
	}, func(f fate) { learn(s.told.tabs, id, f) })
}

// articles is how many articles the shop has.
const articles = 8

func (s *Shop) add(t *Till, tab book.Summary) {
	n := 1 + s.rand.IntN(3)
	if s.chance(3) {
		n = 60 + s.rand.IntN(20) // more than one change
	}
	list := make([]node.NewLine, n)
	for i := range list {
		list[i] = node.NewLine{ID: s.object(), Article: articleID(s.rand.IntN(articles)), Quantity: receipt.Quantity(1000 * (1 + s.rand.IntN(4))), User: t.Name}
	}
	s.lines(t, tab.ID, list)
}

// lines sends lines, and sometimes the same ones again, there or to another tab.
func (s *Shop) lines(t *Till, tab crdt.ObjectID, list []node.NewLine) {
	s.do(t, "add", fmt.Sprint(len(list), " to ", tab), func(ctx context.Context, till *node.Till) error {
		_, _, err := till.AddLines(ctx, tab, list)
		return err
	}, func(f fate) {
		for _, l := range list {
			learn(s.told.lines, l.ID, f)
		}
		switch {
		case f == unknown && s.chance(50), s.chance(5):
			t.again = func() { s.lines(t, tab, list) }
		case s.chance(3):
			if tabs := s.anyTab(t); tabs != nil {
				t.again = func() { s.lines(t, tabs.ID, list) }
			}
		}
	})
}

func (s *Shop) anyTab(t *Till) *book.Summary {
	if t.life == nil {
		return nil
	}
	tabs := t.Node().Tabs(context.Background())
	if len(tabs) == 0 {
		return nil
	}
	return &tabs[s.rand.IntN(len(tabs))]
}

func (s *Shop) void(t *Till, v node.TabView) {
	line := v.Lines[s.rand.IntN(len(v.Lines))].ID
	n := node.NewVoid{ID: s.object(), Reason: "falsch", User: t.Name}
	if s.chance(50) {
		n.Quantity = 1000
	}
	s.do(t, "void", line, func(ctx context.Context, till *node.Till) error {
		_, err := till.VoidLine(ctx, v.ID, line, n)
		return err
	}, func(f fate) { learn(s.told.voids, n.ID, f) })
}

func (s *Shop) discount(t *Till, v node.TabView) {
	n := node.NewDiscount{Percent: s.chance(50), Rate: receipt.Rate(100 * s.rand.IntN(30)), Amount: receipt.Amount(s.rand.IntN(100)), User: t.Name}
	var line crdt.ObjectID
	if s.chance(60) {
		line = v.Lines[s.rand.IntN(len(v.Lines))].ID
	}
	s.do(t, "discount", v.ID, func(ctx context.Context, till *node.Till) error {
		_, err := till.Discount(ctx, v.ID, line, n)
		return err
	}, nil)
}

// payment draws a payment of an amount.
func (s *Shop) payment(t *Till, amount receipt.Amount) node.NewPayment {
	p := node.NewPayment{ID: s.object(), Type: receipt.CashType, Amount: amount, User: t.Name}
	switch {
	case amount <= 0:
	case s.chance(40):
		p.Type = "ECKarte"
	case s.chance(50):
		p.Tendered = amount + receipt.Amount(s.rand.IntN(500))
	}
	return p
}

func (s *Shop) pay(t *Till, v node.TabView) {
	if s.chance(50) {
		s.card(t, v)
		return
	}
	if v.Due <= 0 {
		return
	}
	p := s.payment(t, 1+receipt.Amount(s.rand.Int64N(int64(v.Due))))
	s.do(t, "pay", fmt.Sprint(p.Amount, " for ", v.ID), func(ctx context.Context, till *node.Till) error {
		_, err := till.Pay(ctx, v.ID, p)
		return err
	}, func(f fate) { s.paid(p.ID, v.ID, p.Amount, f) })
}

// closeTab closes a tab with what is due, in one payment or two. What was not answered is sent again, as clients do.
func (s *Shop) closeTab(t *Till, v node.TabView) {
	var list []node.NewPayment
	switch due := v.Due; {
	case due > 1 && s.chance(20):
		part := 1 + receipt.Amount(s.rand.Int64N(int64(due-1)))
		list = append(list, s.payment(t, part), s.payment(t, due-part))
	case due != 0:
		list = append(list, s.payment(t, due))
	}
	s.closeWith(t, v.ID, list, s.object().String())
}

func amounts(list []node.NewPayment) (out []receipt.Amount) {
	for _, p := range list {
		out = append(out, p.Amount)
	}
	return out
}

func (s *Shop) closeWith(t *Till, tab crdt.ObjectID, list []node.NewPayment, key string) {
	var r node.Receipt
	s.do(t, "close", fmt.Sprint(tab, " with ", amounts(list)), func(ctx context.Context, till *node.Till) (err error) {
		r, err = till.CloseTab(node.ForRequest(ctx, key, [32]byte{1}), tab, t.Name, list)
		return err
	}, func(f fate) {
		for _, p := range list {
			s.paid(p.ID, tab, p.Amount, f)
		}
		switch f {
		case saved:
			s.issued(t, r)
		case unknown:
			t.again = func() { s.closeWith(t, tab, list, key) }
		}
	})
}

// edit changes master data.
func (s *Shop) edit(t *Till) {
	id := articleID(s.rand.IntN(articles))
	var e catalog.ArticleEdit
	switch s.rand.IntN(4) {
	case 0:
		names := catalog.Named(fmt.Sprintf("Artikel %d", s.rand.IntN(1000)))
		e.Names = &names
	case 1:
		e.Life = &catalog.Life{Archived: s.chance(30)}
	default:
		day := t.M.Wall().UTC().AddDate(0, 0, s.rand.IntN(3)-1).Format(time.DateOnly)
		e.Prices = map[string]catalog.Price{day: {Amount: int64(50 + s.rand.IntN(1000)), Currency: "EUR", Tax: taxID}}
	}
	s.do(t, "edit", id, func(ctx context.Context, till *node.Till) error { return till.EditArticle(ctx, id, e) }, nil)
}
