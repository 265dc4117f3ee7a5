package simulated

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// Entry is one line of a device's book.
type Entry struct {
	Payment crdt.ObjectID  `json:"-"`
	ID      string         `json:"payment"`
	Kind    terminal.Kind  `json:"kind,omitempty"`
	Amount  int64          `json:"amount,omitempty"`
	Money   string         `json:"currency,omitempty"`
	Of      string         `json:"of,omitempty"`
	Trace   int64          `json:"trace,omitempty"`
	State   terminal.State `json:"state"`
	Text    string         `json:"text,omitempty"`

	fate     fate
	decideAt time.Duration
}

// Signed returns what the entry did to the merchant's account: zero unless it was captured.
func (e Entry) Signed() int64 {
	switch {
	case e.State != terminal.Captured:
		return 0
	case e.Kind == terminal.Authorise:
		return e.Amount
	}
	return -e.Amount
}

// Config says what a device is.
type Config struct {
	Name string
	Seed uint64 // 0: nothing goes wrong
	// Keep makes a line of the book durable; nil: the book is in memory only.
	Keep func(line []byte) error
	// Book are the lines that were kept before.
	Book [][]byte
}

// Device is the terminal itself. It may be used by several goroutines. Times are those of a clock that never goes back,
// such as the time since the process began.
type Device struct {
	c Config

	mu      sync.Mutex
	entries map[crdt.ObjectID]*Entry
	down    time.Duration // it does not answer before
	trace   int64
}

// NewDevice returns a device with what is in its book. Payments that were not decided are decided soon.
func NewDevice(c Config) (*Device, error) {
	d := &Device{c: c, entries: make(map[crdt.ObjectID]*Entry)}
	for i, line := range c.Book {
		var e Entry
		err := json.Unmarshal(line, &e)
		if err == nil {
			e.Payment, err = crdt.ParseObjectID(e.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("book of the simulated terminal, line %d: %w", i+1, err)
		}
		if was := d.entries[e.Payment]; was != nil && was.State != terminal.Pending {
			return nil, fmt.Errorf("book of the simulated terminal, line %d: %w", i+1, errDecided)
		}
		e.fate = fateOf(c.Seed, e.Payment)
		d.entries[e.Payment], d.trace = &e, max(d.trace, e.Trace)
	}
	return d, nil
}

var (
	errDecided = errors.New("the payment was decided before")
	errAmount  = errors.New("the terminal was asked for no amount")
	errOther   = errors.New("the terminal knows this payment with another amount")
)

// Name returns the name of the device.
func (d *Device) Name() string { return d.c.Name }

// Begun is how a request begins.
type Begun struct {
	Lost  bool          // it never arrived
	Mute  bool          // nobody will be told what became of it
	Twice bool          // the answer comes twice
	At    time.Duration // when it is decided
}

// Begin takes a request. One that the device knows already is not begun again. It returns an error that wraps
// [terminal.ErrNoAnswer] while the device is down.
func (d *Device) Begin(now time.Duration, r terminal.Request) (Begun, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case now < d.down:
		return Begun{}, terminal.ErrNoAnswer
	case r.Amount <= 0:
		return Begun{}, errAmount
	}
	if e := d.entries[r.Payment]; e != nil {
		if e.State != terminal.Absent && (e.Amount != r.Amount || e.Kind != r.Kind) {
			return Begun{}, errOther
		}
		return Begun{At: e.decideAt}, nil
	}
	f := fateOf(d.c.Seed, r.Payment)
	if f.lost {
		return Begun{Lost: true}, nil
	}
	if f.down > 0 {
		d.down = now + f.down
	}
	d.trace++
	e := &Entry{Payment: r.Payment, ID: r.Payment.String(), Kind: r.Kind, Amount: r.Amount, Money: r.Currency, Trace: d.trace,
		State: terminal.Pending, fate: f, decideAt: now + f.think}
	if !r.Of.IsZero() {
		e.Of = r.Of.String()
	}
	if err := d.keep(e); err != nil {
		return Begun{}, err
	}
	d.entries[r.Payment] = e
	return Begun{Mute: f.mute || f.down > 0, Twice: f.twice, At: e.decideAt}, nil
}

// Look says what became of a request. What the device does not know it refuses from now on. The errors are those of Begin.
func (d *Device) Look(now time.Duration, payment crdt.ObjectID) (terminal.Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now < d.down {
		return terminal.Outcome{}, terminal.ErrNoAnswer
	}
	if d.entries[payment] == nil {
		e := &Entry{Payment: payment, ID: payment.String(), State: terminal.Absent}
		if err := d.keep(e); err != nil {
			return terminal.Outcome{}, err
		}
		d.entries[payment] = e
	}
	if err := d.decide(now); err != nil {
		return terminal.Outcome{}, err
	}
	return outcome(d.entries[payment]), nil
}

// Cancel stops waiting for a card, if it is not too late.
func (d *Device) Cancel(now time.Duration, payment crdt.ObjectID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now < d.down {
		return terminal.ErrNoAnswer
	}
	if err := d.decide(now); err != nil {
		return err
	}
	if e := d.entries[payment]; e != nil && e.State == terminal.Pending && !e.fate.stuck {
		return d.finish(e, terminal.Declined, "cancelled at the terminal")
	}
	return nil
}

// Book returns all entries as they are now, in the order of their IDs, whether the device answers or not.
func (d *Device) Book(now time.Duration) ([]Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.decide(now)
	var out []Entry
	for _, id := range slices.SortedFunc(maps.Keys(d.entries), crdt.ObjectID.Compare) {
		out = append(out, *d.entries[id])
	}
	return out, err
}

// decide decides everything that is due, in the order of time.
func (d *Device) decide(now time.Duration) error {
	var due []*Entry
	for _, e := range d.entries {
		if e.State == terminal.Pending && e.decideAt <= now {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *Entry) int {
		if a.decideAt != b.decideAt {
			return int(min(max(a.decideAt-b.decideAt, -1), 1))
		}
		return a.Payment.Compare(b.Payment)
	})
	for _, e := range due {
		state, text := terminal.Captured, ""
		switch {
		case e.fate.decline:
			state, text = terminal.Declined, "declined by the bank"
		case e.Kind == terminal.Reverse && !d.reversible(e):
			state, text = terminal.Declined, "there is nothing to reverse"
		}
		if err := d.finish(e, state, text); err != nil {
			return err
		}
	}
	return nil
}

// reversible reports whether a reversal is about a captured payment of this amount that was not reversed before.
func (d *Device) reversible(r *Entry) bool {
	found := false
	for _, e := range d.entries {
		if e != r && e.Kind == terminal.Reverse && e.Of == r.Of && e.State == terminal.Captured {
			return false
		}
		found = found || e.ID == r.Of && e.Kind == terminal.Authorise && e.State == terminal.Captured && e.Amount == r.Amount
	}
	return found
}

func (d *Device) finish(e *Entry, state terminal.State, text string) error {
	done := *e
	done.State, done.Text = state, text
	if err := d.keep(&done); err != nil {
		return err
	}
	*e = done
	return nil
}

func (d *Device) keep(e *Entry) error {
	if d.c.Keep == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("book of the simulated terminal: %w", err)
	}
	if err := d.c.Keep(line); err != nil {
		return fmt.Errorf("book of the simulated terminal: %w", err)
	}
	return nil
}

func outcome(e *Entry) terminal.Outcome {
	o := terminal.Outcome{State: e.State, Text: e.Text}
	if e.State != terminal.Captured {
		return o
	}
	o.Trace, o.Card, o.Approval = fmt.Sprintf("%06d", e.Trace), "Testkarte ****4242", fmt.Sprintf("A%05d", e.Trace)
	what := map[terminal.Kind]string{terminal.Authorise: "Zahlung", terminal.Refund: "Gutschrift", terminal.Reverse: "Storno"}[e.Kind]
	lines := []string{"SIMULIERTES TERMINAL - KEIN GELD", what, "Trace " + o.Trace, o.Card,
		fmt.Sprintf("%s %d.%02d", e.Money, e.Amount/100, e.Amount%100)}
	o.Customer = append([]string{"Kundenbeleg"}, lines...)
	o.Merchant = append([]string{"Haendlerbeleg"}, lines...)
	return o
}
