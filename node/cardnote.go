package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
)

// What a terminal said is kept by payment as a note of the till that asked it, and leaves cardLife after it was decided.
const (
	cardNote    = "card/"    // by payment: cardRecord as JSON
	cardAgeNote = "card-at/" // by time and payment: nothing
	cardLife    = 30 * 24 * time.Hour
	cardVersion = 1
	maxCardStep = 50
)

// cardRecord is what a till remembers of a payment at its terminal beside the payment itself. It is never replicated.
type cardRecord struct {
	Version  int           `json:"v"`
	Terminal string        `json:"terminal"` // its name: no other one is asked about it
	Kind     terminal.Kind `json:"kind"`
	Amount   int64         `json:"amount"` // above zero
	Currency string        `json:"currency"`
	Of       string        `json:"of,omitempty"` // a reversal: the payment
	OfTrace  string        `json:"of_trace,omitempty"`
	Mark     string        `json:"mark,omitempty"`
	Trace    string        `json:"trace,omitempty"`
	Card     string        `json:"card,omitempty"`
	Approval string        `json:"approval,omitempty"`
	Text     string        `json:"text,omitempty"`
	Merchant []string      `json:"merchant,omitempty"`
	Customer []string      `json:"customer,omitempty"`
	Steps    []CardStep    `json:"steps"`
}

// CardStep is a state that a payment at a terminal came to.
type CardStep struct {
	State string `json:"state"`
	MS    int64  `json:"ms"` // Unix milliseconds, business time
	Text  string `json:"text,omitempty"`
}

// step notes a state, unless it is the last one that was noted.
func (c *cardRecord) step(state, text string, ms int64) {
	if n := len(c.Steps); n > 0 && c.Steps[n-1].State == state {
		return
	}
	if len(c.Steps) < maxCardStep {
		c.Steps = append(c.Steps, CardStep{state, ms, clipped(text)})
	}
}

// says takes over what the terminal said. A terminal may say a lot; what is beyond the bounds is left out.
func (c *cardRecord) says(o terminal.Outcome) {
	c.Trace, c.Card, c.Text = or(clipped(o.Trace), c.Trace), or(clipped(o.Card), c.Card), clipped(o.Text)
	c.Approval = or(clipped(o.Approval), c.Approval)
	if len(o.Merchant) > 0 || len(o.Customer) > 0 {
		c.Merchant, c.Customer = clippedLines(o.Merchant), clippedLines(o.Customer)
	}
}

// slip is what the receipt says of a payment that was captured.
func (c *cardRecord) slip() receipt.Card {
	return receipt.Card{Terminal: clipped(c.Terminal), Kind: c.Card, Trace: c.Trace, Authorisation: c.Approval}
}

func clipped(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 200)])
}

func clippedLines(list []string) (out []string) {
	for _, l := range list[:min(len(list), 100)] {
		out = append(out, clipped(l))
	}
	return out
}

func (c *cardRecord) note(id crdt.ObjectID) (replication.Note, error) {
	c.Version = cardVersion
	b, err := json.Marshal(c)
	if err != nil {
		return replication.Note{}, fmt.Errorf("what the terminal said of payment %v: %w", id, err)
	}
	return replication.Note{Key: cardNote + id.String(), Value: b}, nil
}

// request is what the terminal is asked about the payment.
func (c *cardRecord) request(id crdt.ObjectID) terminal.Request {
	r := terminal.Request{Payment: id, Kind: c.Kind, Amount: c.Amount, Currency: c.Currency, Trace: c.OfTrace, Mark: c.Mark}
	if of, err := crdt.ParseObjectID(c.Of); err == nil {
		r.Of = of
	}
	return r
}

// cardOf returns what is remembered of a payment, nil if nothing is.
func (t *Till) cardOf(ctx context.Context, id crdt.ObjectID) (*cardRecord, error) {
	got, err := t.store.Notes(ctx, cardNote+id.String())
	if err != nil || got[0] == nil {
		return nil, err
	}
	var c cardRecord
	if err := json.Unmarshal(got[0], &c); err != nil {
		return nil, fmt.Errorf("what the terminal said of payment %v: %w", id, err)
	}
	if c.Version != cardVersion {
		return nil, fmt.Errorf("what the terminal said of payment %v: version %d: %w", id, c.Version, crdt.ErrUpdateNeeded)
	}
	return &c, nil
}

// aged returns the note by which something is found when it is old: a prefix, the time, what it is about.
func aged(prefix string, ms int64, about string) replication.Note {
	return replication.Note{Key: string(binary.BigEndian.AppendUint64([]byte(prefix), uint64(ms))) + about, Value: []byte{1}}
}

// dropAged removes what was noted with aged longer than life ago, at most 500 at a time, and says how many it was. about
// returns the keys that leave with it; extra is called before and its notes are written with it.
func (t *Till) dropAged(ctx context.Context, prefix string, life time.Duration, about func(rest string) []string,
	extra func(ctx context.Context, dropped int, last int64) ([]replication.Note, error)) error {
	list, err := t.store.NotesFrom(ctx, prefix, "", 500)
	if err != nil {
		return err
	}
	var notes []replication.Note
	dropped, last := 0, int64(0)
	for _, n := range list {
		rest := n.Key[len(prefix):]
		if len(rest) < 8 {
			notes = append(notes, replication.Note{Key: n.Key})
			continue
		}
		ms := int64(binary.BigEndian.Uint64([]byte(rest[:8])))
		if t.clock.Now().Sub(time.UnixMilli(ms)) < life {
			break
		}
		notes = append(notes, replication.Note{Key: n.Key})
		for _, key := range about(rest[8:]) {
			notes = append(notes, replication.Note{Key: key})
		}
		dropped, last = dropped+1, ms
	}
	if len(notes) == 0 {
		return nil
	}
	if extra != nil {
		more, err := extra(ctx, dropped, last)
		if err != nil {
			return err
		}
		notes = append(notes, more...)
	}
	_, err = t.save(ctx, replication.Local{Notes: notes})
	return err
}

// expireCards removes what was remembered of payments that were decided long ago.
func (t *Till) expireCards(ctx context.Context) error {
	return t.dropAged(ctx, cardAgeNote, cardLife, func(rest string) []string { return []string{cardNote + rest} }, nil)
}
