package whole

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Employ puts a cashier at a till, who does something at random about every pace until the time is over.
func (s *Shop) Employ(t *Till, pace time.Duration, until time.Duration) {
	s.W.At(s.under(2*pace), func() {
		if s.W.Elapsed() >= until {
			return
		}
		if t.Idle() {
			s.work(t)
		}
		s.Employ(t, pace, until)
	})
}

// EmployFast puts a cashier at a till who sells whole receipts, one about every pace.
func (s *Shop) EmployFast(t *Till, pace time.Duration, until time.Duration) {
	s.W.At(s.under(2*pace), func() {
		if s.W.Elapsed() >= until {
			return
		}
		if t.Idle() {
			s.sale(t)
		}
		s.EmployFast(t, pace, until)
	})
}

// sale opens a tab, adds lines and closes it.
func (s *Shop) sale(t *Till) {
	if again := t.again; again != nil {
		t.again = nil
		again()
		return
	}
	s.sell(t, func(node.Receipt, error) {})
}

// sell sells a receipt of a few lines and tells how it went.
func (s *Shop) sell(t *Till, told func(node.Receipt, error)) {
	tab := s.object()
	list := make([]node.NewLine, 1+s.rand.IntN(4))
	for i := range list {
		list[i] = node.NewLine{ID: s.object(), Article: articleID(s.rand.IntN(articles)), Quantity: 1000, User: t.Name}
	}
	p := s.payment(t, 0)
	var r node.Receipt
	var err error
	opened, added := unknown, unknown // before the tab is closed
	s.do(t, "sale", tab, func(ctx context.Context, till *node.Till) error {
		_, err = till.OpenTab(ctx, node.NewTab{ID: tab, User: t.Name, Shared: true})
		if err != nil {
			return err
		}
		opened = saved
		_, v, failed := till.AddLines(ctx, tab, list)
		if err = failed; err != nil {
			return err
		}
		added, p.Amount = saved, v.Due
		r, err = till.CloseTab(ctx, tab, t.Name, []node.NewPayment{p})
		return err
	}, func(f fate) {
		learn(s.told.tabs, tab, max(f, opened))
		for _, l := range list {
			learn(s.told.lines, l.ID, max(f, added))
		}
		if p.Amount != 0 {
			s.paid(p.ID, tab, p.Amount, f)
		}
		if f == saved {
			s.issued(t, r)
		}
		told(r, err)
	})
}

// work does one thing at a till.
func (s *Shop) work(t *Till) {
	if again := t.again; again != nil {
		t.again = nil
		again()
		return
	}
	tabs := t.Node().Tabs(context.Background())
	if len(tabs) == 0 || len(tabs) < 6 && s.chance(15) {
		s.open(t)
		return
	}
	tab := tabs[s.rand.IntN(len(tabs))]
	v, err := t.Node().Tab(context.Background(), tab.ID)
	if err != nil {
		s.W.Fail("%s lists tab %v but does not show it: %v", t.Name, tab.ID, err)
		return
	}
	switch n := s.rand.IntN(100); {
	case n < 40:
		s.add(t, tab)
	case n < 48 && len(v.Lines) > 0:
		s.void(t, v)
	case n < 55 && len(v.Lines) > 0:
		s.discount(t, v)
	case n < 63:
		s.pay(t, v)
	case n < 68:
		force := s.chance(30)
		s.do(t, "claim", tab.ID, func(ctx context.Context, till *node.Till) error {
			_, err := till.Claim(ctx, tab.ID, t.Name, force)
			return err
		}, nil)
	case n < 74:
		s.edit(t)
	case n < 82:
		s.tables(t, v)
	case n < 87:
		s.correct(t, v)
	case n < 89:
		s.closePeriod(t)
	default:
		s.closeTab(t, v)
	}
}

// do does something and learns how it went, when it is over.
func (s *Shop) do(t *Till, what string, about any, do func(context.Context, *node.Till) error, learn func(fate)) {
	s.W.Trace("%s: %s %v", t.Name, what, about)
	t.act(do, func(err error) {
		f := s.judge(t, what, err)
		s.W.Trace("%s: %s %v: %v", t.Name, what, about, errOrDone(err))
		s.W.Note('!', len(s.told.answers), fmt.Append(nil, t.Name, what, f))
		if learn != nil {
			learn(f)
		}
	})
}

func errOrDone(err error) any {
	if err == nil {
		return "done"
	}
	return err
}

// judge tells what an error means for a cashier. One that no cashier should see fails the world.
func (s *Shop) judge(t *Till, what string, err error) fate {
	var no *node.Refusal
	var asked *node.PaybackAsked
	switch {
	case err == nil:
		s.told.answers[what]++
		return saved
	case errors.As(err, &asked): // the till writes it when the terminal gave the money back
		s.told.answers[what+" asked"]++
		return saved
	case errors.As(err, &no):
		s.told.answers[what+" refused: "+no.Code]++
		return refused
	case errors.Is(err, catalog.ErrInvalid): // such as a price with a tax that has not come here yet
		s.told.answers[what+" refused"]++
		return refused
	case errors.Is(err, errUnanswered), errors.Is(err, engine.ErrStopped), errors.Is(err, rows.ErrFull), errors.Is(err, rows.ErrFailed), errors.Is(err, rows.ErrClosed):
		s.told.answers[what+" failed"]++
		return unknown
	}
	s.W.Fail("%s: %s: %v", t.Name, what, err)
	return unknown
}
