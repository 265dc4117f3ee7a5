package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	askPatience   = 2 * time.Minute // for the customer to find the card
	queryPatience = 10 * time.Second
	queryFirst    = time.Second
	queryLast     = 30 * time.Second
)

// AttendTerminal asks the terminal for the payments that are intended, and what became of those that nobody knows of, until
// ctx is done. It is called once, also for a till without a terminal: it may have had one.
func (t *Till) AttendTerminal(ctx context.Context) {
	for ctx.Err() == nil {
		if run, ok := t.cards.due(); ok {
			t.charge(ctx, run)
			continue
		}
		again, err := t.finishBacks(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("what takes a receipt back was not written yet", "error", err)
		}
		pause, err := t.askUndecided(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("what became of a card payment was not written down yet", "error", err)
		}
		if again > 0 {
			pause = min(pause, again)
		}
		if !t.env.wait(ctx, pause, t.cards.wake) {
			return
		}
	}
}

// due returns the payment that the terminal is to be asked for.
func (c *cards) due() (cardRun, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil || !c.running.ready {
		return cardRun{}, false
	}
	c.running.sent = !c.running.stop
	return *c.running, true
}

// charge asks the terminal for a payment. "sent" is durable before it is asked, so after a crash it is known that it may have
// been. When the till stops meanwhile nothing is written: the next start asks what became of it.
func (t *Till) charge(ctx context.Context, run cardRun) {
	defer t.cards.over(run.id)
	warn := func(err error) {
		if err != nil && ctx.Err() == nil {
			t.log.Warn("what became of a card payment was not written down yet", "payment", run.id.String(), "error", err)
		}
	}
	if run.stop {
		warn(t.cardMoves(ctx, run.id, receipt.PaymentDeclined, terminal.Outcome{Text: "cancelled before the terminal was asked"}))
		return
	}
	marking, cancel := context.WithTimeout(ctx, queryPatience)
	mark, err := t.cards.terminal.Mark(marking)
	cancel()
	if err != nil {
		if ctx.Err() == nil {
			warn(t.cardMoves(ctx, run.id, receipt.PaymentDeclined, terminal.Outcome{Text: "the terminal was not asked: " + err.Error()}))
		}
		return
	}
	run.request.Mark = mark
	if err := t.cardSent(ctx, run.id, mark); err != nil {
		warn(err)
		return
	}
	asking, cancel := context.WithTimeout(ctx, askPatience)
	o, err := t.cards.terminal.Ask(asking, run.request)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		o = terminal.Outcome{State: terminal.Pending, Text: err.Error()}
	}
	warn(t.cardSays(ctx, run.id, o))
}

// cardSent writes down that the terminal may be asked from now on.
func (t *Till) cardSent(ctx context.Context, id crdt.ObjectID, mark string) error {
	return t.writeCard(ctx, id, receipt.PaymentSent, func(c *cardRecord) { c.Mark = mark })
}

// cardSays writes down what the terminal said.
func (t *Till) cardSays(ctx context.Context, id crdt.ObjectID, o terminal.Outcome) error {
	state := receipt.PaymentUnknown
	switch o.State {
	case terminal.Captured:
		state = receipt.PaymentCaptured
	case terminal.Declined:
		state = receipt.PaymentDeclined
	case terminal.Absent:
		state, o.Text = receipt.PaymentDeclined, or(o.Text, "the terminal never got it")
	}
	return t.cardMoves(ctx, id, state, o)
}

func (t *Till) cardMoves(ctx context.Context, id crdt.ObjectID, state string, o terminal.Outcome) error {
	return t.writeCard(ctx, id, state, func(c *cardRecord) { c.says(o) })
}

// writeCard writes the state of a payment and what is remembered of it, in one change. What is captured stays captured, and
// what a receipt took with it only has its note.
func (t *Till) writeCard(ctx context.Context, id crdt.ObjectID, state string, edit func(*cardRecord)) error {
	release, err := t.cards.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer t.tabs.own(id)()
	card, err := t.cardOf(ctx, id)
	if err != nil {
		return err
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypePayment, id))
	if err != nil {
		return err
	}
	was, open := t.book.Payment(id)
	if open && was.State == receipt.PaymentCaptured {
		return nil
	}
	now := t.clock.MS()
	change := t.change(crdt.Sales, receipt.Schema, nil)
	if card != nil {
		edit(card)
		card.step(state, card.Text, now)
		note, err := card.note(id)
		if err != nil {
			return err
		}
		change.Notes = append(change.Notes, note)
		if !undecided(state) {
			change.Notes = append(change.Notes, aged(cardAgeNote, now, id.String()))
		}
	}
	if !obj.Gone && len(obj.Items) > 0 {
		progress := receipt.Progress{State: state, MS: now}
		if card != nil && state == receipt.PaymentCaptured {
			progress.Card = card.slip()
		}
		if change.Pieces, err = receipt.SetProgress(id, obj, progress); err != nil {
			return fmt.Errorf("payment %v: %w", id, err)
		}
	}
	switch {
	case len(change.Pieces) > 0:
		change.Urgent = true
	case len(change.Notes) > 0:
		change = replication.Local{Notes: change.Notes}
	default:
		return nil
	}
	if _, err := t.save(ctx, change); err != nil {
		return err
	}
	if state == receipt.PaymentCaptured && open {
		t.stats.PaymentsTaken.Add(1)
	}
	if !undecided(state) {
		t.cards.mu.Lock()
		delete(t.cards.asked, id)
		t.cards.mu.Unlock()
	}
	t.tellCard(id, was.Tab, state)
	return nil
}

// askUndecided asks the terminal about the payments of this till that nobody decided and that it is time to ask about, and
// returns when to do so again.
func (t *Till) askUndecided(ctx context.Context) (time.Duration, error) {
	pause := queryLast
	var errs []error
	for _, p := range t.book.Payments() {
		if p.Payment.Till != t.id.Till || !undecided(p.State) || t.cards.runs(p.ID) || ctx.Err() != nil {
			continue
		}
		now := t.env.Steady()
		t.cards.mu.Lock()
		ask := t.cards.asked[p.ID]
		if ask == nil {
			ask = &cardAsk{next: now, pause: queryFirst}
			t.cards.asked[p.ID] = ask
		}
		left := ask.next - now
		t.cards.mu.Unlock()
		if left <= 0 {
			answered, err := t.askAbout(ctx, p)
			errs = append(errs, err)
			t.cards.mu.Lock()
			ask.answered = ask.answered || answered
			ask.next, ask.pause = t.env.Steady()+ask.pause, min(2*ask.pause, queryLast)
			left = ask.next - t.env.Steady()
			t.cards.mu.Unlock()
		}
		pause = min(pause, max(left, time.Millisecond))
	}
	return pause, errors.Join(errs...)
}

// askAbout asks the terminal what became of a payment. answered is false if it said nothing.
func (t *Till) askAbout(ctx context.Context, p book.OpenPayment) (answered bool, err error) {
	card, err := t.cardOf(ctx, p.ID)
	if err != nil {
		return false, err
	}
	r := terminal.Request{Payment: p.ID, Kind: terminal.Authorise, Amount: int64(max(p.Payment.Amount, -p.Payment.Amount))}
	if p.Payment.Amount < 0 {
		r.Kind = terminal.Refund
	}
	switch {
	case t.cards.terminal == nil:
		return false, t.toUnknown(ctx, p, "this till has no terminal now")
	case card != nil && card.Terminal != t.cards.terminal.Name():
		// Another terminal was asked, which is not here: what this one does not know says nothing.
		return false, t.toUnknown(ctx, p, "terminal "+card.Terminal+" is not connected")
	case card != nil:
		r = card.request(p.ID)
	}
	asking, cancel := context.WithTimeout(ctx, queryPatience)
	defer cancel()
	o, err := t.cards.terminal.Query(asking, r)
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		return false, t.toUnknown(ctx, p, err.Error())
	case o.State == terminal.Pending:
		return true, t.toUnknown(ctx, p, "the terminal has not decided yet")
	case o.State == terminal.Absent && card == nil:
		// It came back from another till after what this one knew was lost, so another terminal may have been asked.
		return true, t.toUnknown(ctx, p, "this terminal does not know it")
	}
	return true, t.cardSays(ctx, p.ID, o)
}

// toUnknown writes that the outcome of a payment is not known. One that is only intended was sent, too, for all that this till
// knows: if its data was restored from a backup the rest was forgotten.
func (t *Till) toUnknown(ctx context.Context, p book.OpenPayment, why string) error {
	if p.State == receipt.PaymentUnknown {
		return nil
	}
	return t.cardMoves(ctx, p.ID, receipt.PaymentUnknown, terminal.Outcome{Text: why})
}

// mine returns a payment of this till that nobody decided.
func (t *Till) mine(ctx context.Context, id crdt.ObjectID) (book.OpenPayment, error) {
	p, err := t.Payment(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return p.OpenPayment, refuse(CodeNoPayment, "list the payments of a tab with GET /api/v1/tabs/{id}", "there is no payment %v", id)
	case err != nil:
		return p.OpenPayment, err
	case !p.Mine:
		return p.OpenPayment, refuse(CodeElsewhere, "do it at "+t.roster.name(p.Payment.Till), "the payment was taken at %s", t.roster.name(p.Payment.Till))
	case !undecided(p.State):
		return p.OpenPayment, refuse(CodePaymentDecided, "", "the payment was %s already", or(p.State, receipt.PaymentCaptured))
	case t.cards.terminal == nil:
		return p.OpenPayment, refuse(CodeNoTerminal, "start the till with the --terminal that was asked", "this till has no card terminal")
	}
	return p.OpenPayment, nil
}

// QueryPayment asks the terminal what became of a payment, now, and returns how it stands. A payment that is decided stays as it
// is, and so does one that is being asked for.
func (t *Till) QueryPayment(ctx context.Context, id crdt.ObjectID) (CardPayment, error) {
	p, err := t.mine(ctx, id)
	if r, ok := errors.AsType[*Refusal](err); ok && r.Code == CodePaymentDecided {
		return t.Payment(ctx, id)
	}
	if err != nil {
		return CardPayment{}, err
	}
	if !t.cards.runs(id) {
		answered, err := t.askAbout(ctx, p)
		if err != nil {
			return CardPayment{}, err
		}
		t.answered(id, answered)
	}
	return t.Payment(ctx, id)
}

func (t *Till) answered(id crdt.ObjectID, yes bool) {
	t.cards.mu.Lock()
	defer t.cards.mu.Unlock()
	if ask := t.cards.asked[id]; ask != nil {
		ask.answered = ask.answered || yes
	}
}

// CancelPayment gives a payment up that nobody decided. One that the terminal was not asked for yet is declined; otherwise the
// terminal is asked to stop, and the outcome is what it says: it may be too late.
func (t *Till) CancelPayment(ctx context.Context, id crdt.ObjectID) (CardPayment, error) {
	if _, err := t.mine(ctx, id); err != nil {
		return CardPayment{}, err
	}
	c := t.cards
	c.mu.Lock()
	waits := c.running != nil && c.running.id == id && !c.running.sent
	if waits {
		c.running.stop = true
	}
	c.mu.Unlock()
	if waits {
		c.nudge()
		return t.Payment(ctx, id)
	}
	asking, cancel := context.WithTimeout(ctx, queryPatience)
	err := c.terminal.Cancel(asking, id)
	cancel()
	if err != nil && !errors.Is(err, terminal.ErrNoAnswer) {
		return CardPayment{}, fmt.Errorf("cancel payment %v: %w", id, err)
	}
	return t.QueryPayment(ctx, id)
}

// ReversePayment gives a captured card payment back through the terminal that took it, as a whole: a payment of the same amount
// with the other sign, with the same states. On an open tab both count, so it is due again. Of one that a receipt holds the
// reversal stays beside it, as a case, until a refund of that receipt lists it.
func (t *Till) ReversePayment(ctx context.Context, id crdt.ObjectID, user string) (CardPayment, error) {
	p, err := t.Payment(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return p, refuse(CodeNoPayment, "list the payments of a tab with GET /api/v1/tabs/{id}", "there is no payment %v", id)
	case err != nil:
		return p, err
	case !p.Mine:
		return p, refuse(CodeElsewhere, "do it at "+t.roster.name(p.Payment.Till)+", whose terminal took it", "the payment was taken at %s", t.roster.name(p.Payment.Till))
	case t.cards.terminal == nil:
		return p, refuse(CodeNoTerminal, "start the till with the --terminal that was asked", "this till has no card terminal")
	case p.Terminal != t.cards.terminal.Name():
		return p, refuse(CodeNotReversible, "give the money back in another way", "the terminal of this till did not take the payment, or no longer knows it")
	case p.State != receipt.PaymentCaptured || p.Kind != terminal.Authorise:
		return p, refuse(CodeNotReversible, "", "a payment that is %s cannot be given back", or(p.State, "cash"))
	}
	release, err := t.room.sale()
	if err != nil {
		return p, err
	}
	defer release()
	lock := p.Tab
	if !p.By.IsZero() {
		lock = p.By
	}
	defer t.tabs.own(lock)()
	back, err := t.freeReversal(ctx, id)
	if err != nil {
		return p, err
	}
	n := receipt.Payment{Tab: p.Tab, Type: p.Payment.Type, Name: p.Payment.Name, Amount: -p.Payment.Amount, Tendered: -p.Payment.Amount, User: user,
		Till: t.id.Till, MS: t.clock.MS()}
	currency := "EUR"
	if card, err := t.cardOf(ctx, id); err == nil && card != nil {
		currency = card.Currency
	}
	if !p.By.IsZero() {
		n.Tab, n.Receipt = p.By, p.By
	}
	r := terminal.Request{Payment: back, Kind: terminal.Reverse, Amount: int64(p.Payment.Amount), Currency: currency, Of: id, Trace: p.Trace}
	if err := t.intend(ctx, n, r); err != nil {
		return p, err
	}
	return t.Payment(ctx, back)
}

// freeReversal returns the ID of the next try to give a payment back, after those that were declined.
func (t *Till) freeReversal(ctx context.Context, id crdt.ObjectID) (crdt.ObjectID, error) {
	for n := range book.MaxReversals {
		back := book.ReversalID(id, n)
		p, err := t.Payment(ctx, back)
		switch {
		case errors.Is(err, ErrNotFound):
			return back, nil
		case err != nil:
			return back, err
		case p.State != receipt.PaymentDeclined:
			return back, refuse(CodeNotReversible, "look at it with GET /api/v1/payments/"+back.String(), "the payment was given back already, or that is under way")
		}
	}
	return crdt.ObjectID{}, refuse(CodeNotReversible, "give the money back in another way", "giving the payment back was declined %d times", book.MaxReversals)
}
