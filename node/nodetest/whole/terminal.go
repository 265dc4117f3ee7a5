package whole

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/node/terminal/simulated"
)

// toldCard is a payment that a cashier wanted from the terminal of a till.
type toldCard struct {
	till   *Till
	amount receipt.Amount
}

// newDevice puts a card terminal beside a till. It outlives all the till's lives, and knows nothing of them.
func (t *Till) newDevice() {
	seed := t.shop.W.Seed()
	if t.shop.calmTerminals {
		seed = 0
	}
	d, err := simulated.NewDevice(simulated.Config{Name: "terminal of " + t.Name, Seed: seed})
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
	}
	t.device = d
}

func (t *Till) terminal() terminal.Terminal {
	return &simulated.Terminal{
		Device: t.device,
		Now:    func() time.Duration { t.shop.see(); return t.shop.W.Elapsed() },
		Wait: func(ctx context.Context, d time.Duration) bool {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-ctx.Done():
				return false
			case <-timer.C:
				return true
			}
		},
	}
}

// attendTerminal runs what asks the terminal. Time goes on for it only in turns, so turns are taken while it has work.
func (t *Till) attendTerminal(l *life) {
	t.shop.always(l, l.node.AttendTerminal)
	t.lookAtTerminal(l)
}

func (t *Till) lookAtTerminal(l *life) {
	l.sim.After(500*time.Millisecond, func() {
		if s := l.node.TerminalState(); s.Undecided > 0 || s.Backs > 0 || !s.Running.IsZero() {
			t.shop.soon()
		}
		t.lookAtTerminal(l)
	})
}

// card does something with the terminal of a till.
func (s *Shop) card(t *Till, v node.TabView) {
	var mine []crdt.ObjectID
	for _, id := range slices.SortedFunc(maps.Keys(s.told.cards), crdt.ObjectID.Compare) {
		if s.told.cards[id].till == t {
			mine = append(mine, id)
		}
	}
	if len(mine) > 0 && s.chance(30) {
		id := mine[s.rand.IntN(len(mine))]
		switch s.rand.IntN(3) {
		case 0:
			s.do(t, "query card", id, func(ctx context.Context, till *node.Till) error {
				_, err := till.QueryPayment(ctx, id)
				return err
			}, nil)
		case 1:
			s.do(t, "cancel card", id, func(ctx context.Context, till *node.Till) error {
				_, err := till.CancelPayment(ctx, id)
				return err
			}, nil)
		default:
			for n := range book.MaxReversals { // whichever of them it will be
				s.told.cards[book.ReversalID(id, n)] = toldCard{t, -s.told.cards[id].amount}
			}
			s.do(t, "reverse card", id, func(ctx context.Context, till *node.Till) error {
				_, err := till.ReversePayment(ctx, id, t.Name)
				return err
			}, nil)
		}
		return
	}
	if v.Due <= 0 {
		return
	}
	n := node.NewPayment{ID: s.object(), Type: "ECKarte", Amount: v.Due, User: t.Name, Terminal: true, Again: s.chance(30)}
	if s.chance(50) {
		n.Amount = 1 + receipt.Amount(s.rand.Int64N(int64(v.Due)))
	}
	s.told.cards[n.ID] = toldCard{t, n.Amount}
	s.do(t, "card", n.Amount, func(ctx context.Context, till *node.Till) error {
		_, err := till.Pay(ctx, v.ID, n)
		return err
	}, nil)
}

// awaitTerminals lets the terminals decide, and the tills hear of it.
func (s *Shop) awaitTerminals() {
	s.W.RunUntil(10*time.Minute, func() bool {
		for _, t := range s.present() {
			if !s.knowsTerminal(t) {
				return false
			}
		}
		return true
	})
	s.everybody()
}

// knowsTerminal reports whether a till knows of all the money that its terminal took.
func (s *Shop) knowsTerminal(t *Till) bool {
	if t.Node() == nil || t.Node().TerminalState().Backs > 0 {
		return false
	}
	entries, err := t.device.Book(s.W.Elapsed())
	if err != nil {
		s.W.Fail("%s: %v", t.Name, err)
	}
	for _, e := range entries {
		if e.State == terminal.Pending {
			return false
		}
		if e.State == terminal.Captured {
			if p, err := t.Node().Payment(context.Background(), e.Payment); err == nil && p.State != receipt.PaymentCaptured && p.State != "" {
				return false
			}
		}
	}
	return true
}

// terminals checks that what terminals took is what the tills show as captured, payment by payment, and that it is on receipts,
// on open tabs, or cases. It returns what of it is on receipts. Terminals of tills that are not there any more are asked by
// nobody.
func (s *Shop) terminals(open map[crdt.ObjectID]receipt.Amount, settled map[crdt.ObjectID]receipt.Amount, orphans map[crdt.ObjectID]bool, away inventory) (onReceipts receipt.Amount) {
	taken := make(map[crdt.ObjectID]int64)
	present := s.present()
	for _, t := range s.Tills {
		entries, err := t.device.Book(s.W.Elapsed())
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return 0
		}
		for _, e := range entries {
			if e.Signed() != 0 {
				taken[e.Payment] = e.Signed()
				s.told.answers["card "+string(e.Kind)]++
				s.card1(t, e, slices.Contains(present, t), away, func() bool {
					_, isOpen := open[e.Payment]
					_, isSettled := settled[e.Payment]
					if isSettled && orphans[e.Payment] {
						s.W.Fail("card payment %v is on a receipt and is still shown as a case", e.Payment)
					}
					return isOpen || isSettled || orphans[e.Payment] || s.givenBack(t, e)
				})
			}
		}
	}
	till := present[0].Node()
	for _, id := range slices.SortedFunc(maps.Keys(s.told.cards), crdt.ObjectID.Compare) {
		if amount, isSettled := settled[id]; isSettled {
			onReceipts += amount
			if taken[id] != int64(amount) {
				s.W.Fail("%d of card payment %v are on a receipt, the terminal took %d", amount, id, taken[id])
			}
		}
		if p, err := till.Payment(context.Background(), id); err == nil && p.State == receipt.PaymentCaptured && taken[id] != int64(p.Payment.Amount) {
			s.W.Fail("card payment %v shows %d as captured, the terminal took %d", id, p.Payment.Amount, taken[id])
		}
	}
	return onReceipts
}

// card1 checks one payment that a terminal took.
func (s *Shop) card1(t *Till, e simulated.Entry, asks bool, away inventory, shown func() bool) {
	if !asks || away.payments[e.Payment] {
		return
	}
	p, err := t.Node().Payment(context.Background(), e.Payment)
	c, wanted := s.told.cards[e.Payment]
	if !wanted && !p.Payment.Receipt.IsZero() { // what goes back for a receipt has an ID that the till chose
		c, wanted = toldCard{t, p.Payment.Amount}, true
	}
	if !wanted || int64(c.amount) != e.Signed() {
		s.W.Fail("the terminal of %s took %d for %v, of which nobody knows", t.Name, e.Signed(), e.Payment)
	}
	if err != nil || p.State != receipt.PaymentCaptured || !shown() {
		s.W.Fail("the terminal of %s took %d for %v; the tills show it as %q (%v), shown %v", t.Name, e.Signed(), e.Payment, p.State, err, shown())
	}
}

// givenBack reports whether a payment was reversed by another one, or reversed one: for a closed tab that is no case, unless a
// receipt holds one of them.
func (s *Shop) givenBack(t *Till, e simulated.Entry) bool {
	if p, err := t.Node().Payment(context.Background(), e.Payment); err != nil || !p.Payment.Receipt.IsZero() {
		return false
	}
	for _, t := range s.Tills {
		entries, err := t.device.Book(s.W.Elapsed())
		if err != nil {
			return false
		}
		for _, o := range entries {
			if o.State == terminal.Captured && (o.Of == e.ID || o.ID == e.Of) {
				return true
			}
		}
	}
	return false
}

// toCard takes a receipt of the last ones back, mostly one that was paid by card.
func (s *Shop) toCard(t *Till) {
	list, _, err := t.Node().Receipts(context.Background(), node.ReceiptFilter{}, "", 12)
	if err != nil {
		s.W.Fail("%s: list receipts: %v", t.Name, err)
		return
	}
	if len(list) == 0 {
		return
	}
	of := list[s.rand.IntN(len(list))]
	c := node.Correction{User: t.Name, InCash: s.chance(15)}
	if s.chance(50) {
		s.written(t, "refund", of.Number, func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			r, err := till.Receipt(ctx, of.ID.String())
			if err == nil && len(r.Parsed.Lines) > 1 {
				c.Lines = []receipt.Taken{{Line: r.Parsed.Lines[0].ID}}
			}
			if err != nil {
				return r, err
			}
			return till.RefundReceipt(ctx, of.ID.String(), c)
		})
		return
	}
	s.written(t, "cancel", of.Number, func(ctx context.Context, till *node.Till) (node.Receipt, error) {
		return till.CancelReceipt(ctx, of.ID.String(), c)
	})
}
