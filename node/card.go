package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
)

// Codes of refusals about card terminals. They are part of the API: append, never change.
const (
	CodeNoTerminal      = "no-terminal"
	CodeTerminalBusy    = "terminal-busy"        // it does one thing at a time
	CodeCardRunning     = "card-payment-running" // the tab cannot be closed meanwhile
	CodeCardUnknown     = "card-payment-unknown" // whether an earlier payment of the tab was taken is not known
	CodePaymentDecided  = "payment-decided"
	CodeNoPayment       = "unknown-payment"
	CodeNotReversible   = "not-reversible"
	CodeTerminalPayment = "terminal-payment" // it cannot be entered so
)

// cards is what a till does with its terminal. One payment runs at a time.
type cards struct {
	terminal terminal.Terminal // nil: there is none
	wake     chan struct{}     // one slot: something is to be done
	turn     chan struct{}     // one slot: who has it writes what became of payments

	mu      sync.Mutex
	running *cardRun
	asked   map[crdt.ObjectID]*cardAsk // payments that nobody decided, of earlier starts too
	backs   int                        // receipts that wait until money went back to a card
}

// cardRun is the payment that runs.
type cardRun struct {
	id      crdt.ObjectID
	ready   bool // it is saved: the terminal may be asked
	sent    bool
	stop    bool // somebody cancelled it before it was sent
	request terminal.Request
}

// cardAsk is how far asking about a payment has come.
type cardAsk struct {
	answered bool          // the terminal said something about it since this start
	next     time.Duration // Steady, when it is asked again
	pause    time.Duration
}

func newCards(t terminal.Terminal) *cards {
	return &cards{terminal: t, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), asked: make(map[crdt.ObjectID]*cardAsk)}
}

func (c *cards) nudge() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// hold waits for the turn to write what became of payments. It is no mutex, so that the simulator sees who waits for it.
func (c *cards) hold(ctx context.Context) (release func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *cards) runs(id crdt.ObjectID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running != nil && c.running.id == id
}

// begin takes the terminal for a payment; false if another one runs.
func (c *cards) begin(id crdt.ObjectID, r terminal.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return false
	}
	c.running = &cardRun{id: id, request: r}
	return true
}

// over lets the terminal go, if the payment has it.
func (c *cards) over(id crdt.ObjectID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil && c.running.id == id {
		c.running = nil
	}
}

// start lets the terminal be asked.
func (c *cards) start(id crdt.ObjectID) {
	c.mu.Lock()
	if c.running != nil && c.running.id == id {
		c.running.ready = true
	}
	c.mu.Unlock()
	c.nudge()
}

// undecided reports whether it is not known yet what becomes of a payment.
func undecided(state string) bool {
	switch state {
	case "", receipt.PaymentCaptured, receipt.PaymentDeclined:
		return false
	}
	return true
}

// underWay reports whether a payment is being asked of a terminal.
func underWay(state string) bool {
	return state == receipt.PaymentIntended || state == receipt.PaymentSent
}

// payByCard writes down that a payment is to be asked of the terminal, and has it asked. The answer says how it stands; events
// tell what becomes of it.
func (t *Till) payByCard(ctx context.Context, tab crdt.ObjectID, n NewPayment) (Paid, error) {
	if t.cards.terminal == nil {
		return Paid{}, refuse(CodeNoTerminal, `start the till with --terminal, or take the payment at the terminal by hand and enter it without "terminal"`,
			"this till has no card terminal")
	}
	release, err := t.room.sale()
	if err != nil {
		return Paid{}, err
	}
	defer release()
	if err := t.mustHold(ctx, tab, n.User); err != nil {
		return Paid{}, err
	}
	defer t.tabs.own(tab)()
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return Paid{}, err
	}
	for _, p := range v.Payments {
		if p.ID == n.ID {
			return Paid{ID: n.ID, Due: v.Due, Change: v.Change, State: p.State}, nil
		}
	}
	p, err := t.payment(tab, n, v)
	if err != nil {
		return Paid{}, err
	}
	if v.Head.Training {
		return Paid{}, refuse(CodeTerminalPayment, `leave "terminal" out`, "no money moves for practice")
	}
	if err := t.chargeable(v, p, n.Again); err != nil {
		return Paid{}, err
	}
	r := terminal.Request{Payment: n.ID, Kind: terminal.Authorise, Amount: int64(p.Amount), Currency: or(v.Currency, "EUR")}
	if p.Amount < 0 {
		r.Kind, r.Amount = terminal.Refund, -r.Amount
	}
	if err := t.intend(ctx, p, r); err != nil {
		return Paid{}, err
	}
	t.touch(tab)
	return Paid{ID: n.ID, Due: v.Due, Change: v.Change, State: receipt.PaymentIntended}, nil
}

// chargeable refuses what would take more than is due, or may take it twice.
func (t *Till) chargeable(v receipt.TabView, p receipt.Payment, again bool) error {
	if p.Type == receipt.CashType || p.Tendered != 0 && p.Tendered != p.Amount {
		return refuse(CodeTerminalPayment, "use ECKarte, Kreditkarte or another type that a terminal takes, without tendered", "a terminal takes no cash")
	}
	due, unknown := v.Due, receipt.Amount(0)
	for _, o := range v.Payments {
		switch {
		case o.Err != nil || !undecided(o.State):
		case underWay(o.State):
			due -= o.Payment.Amount
		default:
			unknown += o.Payment.Amount
		}
	}
	switch {
	case p.Amount > 0 && p.Amount > due, p.Amount < 0 && p.Amount < due:
		return refuse(CodeOverpaid, "a card pays what is due, less what other card payments are being asked for", "%d are due, %d were sent", due, p.Amount)
	case unknown != 0 && !again:
		return refuse(CodeCardUnknown, `ask the terminal with POST /api/v1/payments/{id}/query, or look at its journal; send "again": true to charge all the same`,
			"whether an earlier card payment of %d was taken is not known", unknown)
	}
	return nil
}

// intend saves a payment that nobody asked for yet, with more notes, and lets the terminal be asked. The terminal must be free.
func (t *Till) intend(ctx context.Context, p receipt.Payment, r terminal.Request, more ...replication.Note) error {
	if err := t.settled(ctx); err != nil {
		return err
	}
	if !t.cards.begin(r.Payment, r) {
		return refuse(CodeTerminalBusy, "wait until it is over, or cancel it", "the card terminal is busy with another payment")
	}
	card := cardRecord{Terminal: t.cards.terminal.Name(), Kind: r.Kind, Amount: r.Amount, Currency: r.Currency, OfTrace: r.Trace}
	if !r.Of.IsZero() {
		card.Of = r.Of.String()
	}
	card.step(receipt.PaymentIntended, "", p.MS)
	note, err := card.note(r.Payment)
	var pieces []crdt.Piece
	if err == nil {
		pieces, err = receipt.NewPayment(r.Payment, p, receipt.PaymentIntended)
	}
	if err != nil {
		t.cards.over(r.Payment)
		return refuseInvalid(err)
	}
	change := t.change(crdt.Sales, receipt.Schema, pieces)
	change.Urgent, change.Notes = true, append(more, note)
	if _, err := t.save(ctx, change); err != nil {
		t.cards.over(r.Payment) // if it is there all the same, the terminal is asked about it and knows nothing
		return err
	}
	t.tellCard(r.Payment, p.Tab, receipt.PaymentIntended)
	t.cards.start(r.Payment)
	return nil
}

// settled refuses new payments at the terminal as long as it did not say what became of earlier ones, before this start too.
func (t *Till) settled(ctx context.Context) error {
	for _, p := range t.book.Payments() {
		if p.Payment.Till != t.id.Till || !undecided(p.State) || t.cards.runs(p.ID) {
			continue
		}
		card, err := t.cardOf(ctx, p.ID)
		if err != nil {
			return err
		}
		if card != nil && card.Terminal != t.cards.terminal.Name() {
			continue // this one will never know
		}
		t.cards.mu.Lock()
		ask := t.cards.asked[p.ID]
		answered := ask != nil && ask.answered
		t.cards.mu.Unlock()
		if !answered {
			t.cards.nudge()
			return refuse(CodeTerminalBusy, "wait a moment; if it goes on, see whether the terminal is switched on and connected",
				"the card terminal is asked first what became of an earlier payment of %d", p.Payment.Amount)
		}
	}
	return nil
}

// noCard refuses to close a tab while this till asks its terminal for money for it, and payments for the terminal that come
// with the closing: what becomes of them is known later.
func (t *Till) noCard(parts receipt.Parts, payments []NewPayment) error {
	if slices.ContainsFunc(payments, func(n NewPayment) bool { return n.Terminal }) {
		return refuse(CodeTerminalPayment, "enter it with POST /api/v1/tabs/{id}/payments, wait until it is captured, then close",
			"a payment at the terminal cannot come with the closing")
	}
	for _, part := range parts.Payments {
		p, ok := t.book.Payment(part.ID)
		if ok && p.Payment.Till == t.id.Till && (p.State == receipt.PaymentSent || underWay(p.State) && t.cards.runs(p.ID)) {
			return refuse(CodeCardRunning, "wait until it is over, or cancel it with POST /api/v1/payments/"+p.ID.String()+"/cancel",
				"a card payment of %d is running", p.Payment.Amount)
		}
	}
	return nil
}

// tellCard tells screens what became of a payment.
func (t *Till) tellCard(id, tab crdt.ObjectID, state string) {
	t.events.post(Event{What: "payment", Object: id.String(), Tab: tab.String(), Change: state, Till: t.id.Till.String()})
}

// CardPayment is a payment with what is known of it.
type CardPayment struct {
	book.OpenPayment
	Running  bool          // the terminal is being asked
	Settled  string        // number of the receipt that holds it, empty if none does
	By       crdt.ObjectID // that receipt
	Mine     bool          // this till took it
	Terminal string        // its name, empty if no terminal of this till was asked, or it is not remembered any more
	Kind     terminal.Kind
	Of       crdt.ObjectID // a reversal: the payment that it gives back
	Trace    string
	Card     string
	Approval string // the number by which the bank agreed
	Text     string
	Merchant []string
	Customer []string
	Steps    []CardStep
}

// Payment returns a payment, [ErrNotFound] if there is none.
func (t *Till) Payment(ctx context.Context, id crdt.ObjectID) (CardPayment, error) {
	out := CardPayment{}
	var ok bool
	if out.OpenPayment, ok = t.book.Payment(id); !ok {
		p, by, err := t.settledPayment(ctx, id)
		if err != nil {
			return out, err
		}
		out.OpenPayment, out.Settled, out.By = p, by.Number, by.ID
	}
	out.Terminal, out.Trace, out.Card, out.Approval = out.OpenPayment.Card.Terminal, out.OpenPayment.Card.Trace, out.OpenPayment.Card.Kind, out.OpenPayment.Card.Authorisation
	out.Mine, out.Running = out.Payment.Till == t.id.Till, t.cards.runs(id)
	card, err := t.cardOf(ctx, id)
	if err != nil || card == nil {
		return out, err
	}
	out.Terminal, out.Kind, out.Of, out.Trace = card.Terminal, card.Kind, card.request(id).Of, card.Trace
	out.Card, out.Approval, out.Text, out.Merchant, out.Customer, out.Steps = card.Card, card.Approval, card.Text, card.Merchant, card.Customer, card.Steps
	return out, nil
}

// settledPayment returns a payment that a receipt holds, with the receipt; or one that left with a receipt because it
// was declined.
func (t *Till) settledPayment(ctx context.Context, id crdt.ObjectID) (p book.OpenPayment, by Receipt, err error) {
	none := fmt.Errorf("payment %v: %w", id, ErrNotFound)
	obj, err := t.store.Object(ctx, salesKey(receipt.TypePayment, id))
	if err != nil {
		return p, by, err
	}
	if !obj.Gone {
		return p, by, none
	}
	r, err := t.receipt(ctx, obj.By)
	if errors.Is(err, ErrNotFound) {
		return p, by, none
	} else if err != nil {
		return p, by, err
	}
	p = book.OpenPayment{ID: id, State: receipt.PaymentDeclined, Payment: receipt.Payment{Till: r.Till}}
	if len(r.Parsed.Tabs) > 0 {
		p.Tab = r.Parsed.Tabs[0].ID
	}
	for _, d := range r.Parsed.Payments {
		if d.ID == id {
			at, _ := time.Parse(time.RFC3339, d.Time) // the document was checked when it was made
			p.State = or(d.Progress, receipt.PaymentCaptured)
			if c := d.Card; c != nil {
				p.Card = receipt.Card{Terminal: c.Terminal, Kind: c.Kind, Trace: c.Trace, Authorisation: c.Authorisation}
			}
			p.Payment = receipt.Payment{Tab: p.Tab, Type: d.Type, Name: d.Name, Amount: d.Amount, Tendered: d.Tendered, Foreign: d.Foreign, User: d.User,
				Till: d.Till, MS: at.UnixMilli()}
		}
	}
	return p, r, nil
}

// CardPayments returns the payments that no receipt holds and of which it is not known, or no longer matters to a tab, what
// became of them: those under way, those whose outcome is not known, and those captured for a tab that is closed.
func (t *Till) CardPayments(ctx context.Context) ([]CardPayment, error) {
	var out []CardPayment
	for _, p := range t.book.Payments() {
		if !undecided(p.State) {
			continue
		}
		one, err := t.Payment(ctx, p.ID)
		if errors.Is(err, ErrNotFound) {
			continue // it was settled meanwhile
		} else if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// TerminalState is how the card terminal of a till is doing.
type TerminalState struct {
	Name      string        // empty: there is none
	Running   crdt.ObjectID // the payment it is being asked for, zero if none
	Undecided int           // payments of this till whose outcome is not known
	Backs     int           // receipts that are written when money went back to a card
}

// TerminalState returns how the card terminal is doing.
func (t *Till) TerminalState() TerminalState {
	var s TerminalState
	for _, p := range t.book.Payments() {
		if p.Payment.Till == t.id.Till && undecided(p.State) && !t.cards.runs(p.ID) {
			s.Undecided++
		}
	}
	if t.cards.terminal != nil {
		s.Name = t.cards.terminal.Name()
	}
	t.cards.mu.Lock()
	defer t.cards.mu.Unlock()
	if t.cards.running != nil {
		s.Running = t.cards.running.id
	}
	s.Backs = t.cards.backs
	return s
}
