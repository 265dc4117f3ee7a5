package whole

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// saleVerbs are what cashiers do.
var saleVerbs = verbs{
	"opens": {Params: "subject word", Help: "a tab", Do: on(func(s *Script, t *Till, a args) error {
		id := s.tab(a.Word(0))
		return s.say(t, "open", func(ctx context.Context, till *node.Till) error {
			_, err := till.OpenTab(ctx, node.NewTab{ID: id, Name: a.Word(0), User: t.Name, Shared: true})
			return err
		}, func(f fate) { learn(s.told.tabs, id, f) })
	})},
	"adds": {Params: "subject word word [int]", Help: "lines of one piece to a tab: K1 adds r espresso 3", Do: on(func(s *Script, t *Till, a args) error {
		return s.adds(t, s.tab(a.Word(0)), s.article(a.Word(1)), a.Int(2, 1))
	})},
	"voids": {Params: "subject word [int]", Help: "the first lines of a tab", Do: on(func(s *Script, t *Till, a args) error {
		for range a.Int(1, 1) {
			if err := s.voids(t, s.tab(a.Word(0))); err != nil {
				return err
			}
		}
		return nil
	})},
	"discounts": {Params: "subject word word", Help: "a tab, by 10% or by 1.50", Do: on(func(s *Script, t *Till, a args) error {
		var n node.NewDiscount
		if percent, ok := strings.CutSuffix(a.Word(1), "%"); ok {
			rate, err := strconv.Atoi(percent)
			if err != nil {
				return fmt.Errorf("a discount of %s: %w", a.Word(1), err)
			}
			n = node.NewDiscount{Percent: true, Rate: receipt.Rate(100 * rate)}
		} else {
			sum, err := amount(a.Word(1))
			if err != nil {
				return err
			}
			n.Amount = sum
		}
		return s.say(t, "discount", func(ctx context.Context, till *node.Till) error {
			_, err := till.Discount(ctx, s.tab(a.Word(0)), crdt.ObjectID{}, n)
			return err
		}, nil)
	})},
	"pays": {Params: "subject word word word", Help: "K1 pays r 5.00 card", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		tab, p := s.tab(a.Word(0)), node.NewPayment{ID: s.object(), Type: payType(a.Word(2)), Amount: sum, User: t.Name}
		return s.say(t, "pay", func(ctx context.Context, till *node.Till) error {
			_, err := till.Pay(ctx, tab, p)
			return err
		}, func(f fate) { s.paid(p.ID, tab, sum, f) })
	})},
	"closes": {Params: "subject word word", Help: "a tab, paid in cash or by card", Do: on(func(s *Script, t *Till, a args) error {
		return s.closes(t, s.tab(a.Word(0)), payType(a.Word(1)))
	})},
	"claims": {Params: "subject word [word]", Help: "a tab, by force if said so", Do: on(func(s *Script, t *Till, a args) error {
		return s.say(t, "claim", func(ctx context.Context, till *node.Till) error {
			c, err := till.Claim(ctx, s.tab(a.Word(0)), t.Name, a.Word(1) == "force")
			if err == nil && !c.Granted {
				err = &node.Refusal{Code: node.CodeHeld, Text: c.Reason}
			}
			return err
		}, nil)
	})},
	"sells": {Params: "subject int word", Help: "receipts over one piece each: K1 sells 5 espresso", Do: on(func(s *Script, t *Till, a args) error {
		for range a.Int(0, 1) {
			tab := s.object()
			err := s.say(t, "open", func(ctx context.Context, till *node.Till) error {
				_, err := till.OpenTab(ctx, node.NewTab{ID: tab, User: t.Name, Shared: true})
				return err
			}, func(f fate) { learn(s.told.tabs, tab, f) })
			if err == nil {
				err = s.adds(t, tab, s.article(a.Word(1)), 1)
			}
			if err == nil {
				err = s.closes(t, tab, receipt.CashType)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})},
}

func payType(word string) string {
	if word == "card" {
		return "ECKarte"
	}
	return receipt.CashType
}

func (s *Script) adds(t *Till, tab, article crdt.ObjectID, n int) error {
	list := make([]node.NewLine, n)
	for i := range list {
		list[i] = node.NewLine{ID: s.object(), Article: article, Quantity: 1000, User: t.Name}
	}
	return s.say(t, "add", func(ctx context.Context, till *node.Till) error {
		_, _, err := till.AddLines(ctx, tab, list)
		return err
	}, func(f fate) {
		for _, l := range list {
			learn(s.told.lines, l.ID, f)
		}
	})
}

var errNothing = errors.New("there is nothing left to void")

// voids takes back the first line of a tab that counts.
func (s *Script) voids(t *Till, tab crdt.ObjectID) error {
	id := s.object()
	return s.say(t, "void", func(ctx context.Context, till *node.Till) error {
		v, err := till.Tab(ctx, tab)
		if err != nil {
			return err
		}
		for _, l := range v.Lines {
			if l.Voided < l.Line.Quantity {
				_, err := till.VoidLine(ctx, tab, l.ID, node.NewVoid{ID: id, User: t.Name})
				return err
			}
		}
		return errNothing
	}, func(f fate) { learn(s.told.voids, id, f) })
}

// closes closes a tab with one payment of what is due.
func (s *Script) closes(t *Till, tab crdt.ObjectID, kind string) error {
	p := node.NewPayment{ID: s.object(), Type: kind, User: t.Name}
	var r node.Receipt
	return s.say(t, "close", func(ctx context.Context, till *node.Till) error {
		v, err := till.Tab(ctx, tab)
		if err != nil {
			return err
		}
		var list []node.NewPayment
		if p.Amount = v.Due; v.Due != 0 {
			list = append(list, p)
		}
		r, err = till.CloseTab(ctx, tab, t.Name, list)
		return err
	}, func(f fate) {
		if p.Amount != 0 {
			s.paid(p.ID, tab, p.Amount, f)
		}
		if f == saved {
			s.issued(t, r)
		}
	})
}

// goodsVerbs are edits of master data.
var goodsVerbs = verbs{
	"prices": {Params: "subject word word [word]", Help: "an article, from its first day or from a date: K1 prices espresso 3.40 2027-01-15", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		from := catalog.DayOne
		if a.Len() > 2 {
			from = a.Word(2)
		}
		_, known := s.articles[a.Word(0)]
		e := catalog.ArticleEdit{Prices: map[string]catalog.Price{from: {Amount: int64(sum), Currency: "EUR", Tax: taxID}}}
		if !known {
			names := catalog.Named(a.Word(0))
			e.Names = &names
		}
		s.stock()
		return s.edits(t, s.article(a.Word(0)), e)
	})},
	"articles": {Params: "subject word int word", Help: "many of them: K1 articles cake 500 2.00 makes cake1 to cake500", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(2))
		if err != nil {
			return err
		}
		s.stock()
		rows := make([]node.ArticleRow, a.Int(1, 0))
		for i := range rows {
			name := fmt.Sprint(a.Word(0), i+1)
			names := catalog.Named(name)
			rows[i] = node.ArticleRow{ID: s.article(name), Edit: catalog.ArticleEdit{Names: &names,
				Prices: map[string]catalog.Price{catalog.DayOne: {Amount: int64(sum), Currency: "EUR", Tax: taxID}}}}
		}
		return s.batch(t, rows)
	})},
	"reprices": {Params: "subject word int word", Help: "the first of many: K1 reprices cake 200 2.20", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(2))
		if err != nil {
			return err
		}
		return s.many(t, a, catalog.ArticleEdit{Prices: map[string]catalog.Price{catalog.DayOne: {Amount: int64(sum), Currency: "EUR", Tax: taxID}}})
	})},
	"archives": {Params: "subject word [int]", Help: "an article, or the first of many", Do: on(func(s *Script, t *Till, a args) error {
		archived := catalog.ArticleEdit{Life: &catalog.Life{Archived: true}}
		if a.Len() > 1 {
			return s.many(t, a, archived)
		}
		return s.edits(t, s.article(a.Word(0)), archived)
	})},
	"renames": {Params: "subject word word", Help: "an article", Do: on(func(s *Script, t *Till, a args) error {
		names := catalog.Named(a.Word(1))
		return s.edits(t, s.article(a.Word(0)), catalog.ArticleEdit{Names: &names})
	})},
}

// stock makes the tax and the articles of cashiers left to chance, once, at the first till.
func (s *Script) stock() {
	if !s.stocked {
		s.stocked = true
		s.Stock(s.Tills[0], articles)
		s.W.AwaitEqual(Machines(s.present()...)...)
	}
}

func (s *Script) edits(t *Till, id crdt.ObjectID, e catalog.ArticleEdit) error {
	return s.say(t, "edit", func(ctx context.Context, till *node.Till) error { return till.EditArticle(ctx, id, e) }, nil)
}

func (s *Script) many(t *Till, a args, e catalog.ArticleEdit) error {
	rows := make([]node.ArticleRow, a.Int(1, 0))
	for i := range rows {
		rows[i] = node.ArticleRow{ID: s.article(fmt.Sprint(a.Word(0), i+1)), Edit: e}
	}
	return s.batch(t, rows)
}

func (s *Script) batch(t *Till, rows []node.ArticleRow) error {
	return s.say(t, "edit", func(ctx context.Context, till *node.Till) error {
		res, err := till.EditArticles(ctx, rows)
		if err == nil && len(res.Rejected) > 0 {
			err = res.Rejected[0].Err
		}
		return err
	}, nil)
}
