package node

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// planNote is the note of the store that holds a closing that was begun and has more than one step.
	planNote    = "closing/plan"
	planVersion = 1
)

// closingPlan is a closing of several steps: what differs is booked, what is taken out, the closing is made, what stays in
// the drawer is booked as the float of the next period. It is durable before the first step, and how far it is is written in
// the change that does a step, so each is done once, whatever happens in between, and a till that dies goes on where it was. It
// is a note of this till alone, as JSON.
type closingPlan struct {
	Version int       `json:"v"`
	Under   string    `json:"under"` // the series this till sold under when it was made, in which its steps are booked
	Booked  []string  `json:"booked,omitempty"`
	Series  string    `json:"series"`
	Number  int64     `json:"number"` // of the closing
	Head    int64     `json:"head"`   // last number of the series when it was made
	Key     string    `json:"key,omitempty"`
	Hash    []byte    `json:"hash,omitempty"` // of the request with that idempotency key
	User    string    `json:"user,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Cash    planCash  `json:"cash"`
	Float   int64     `json:"float,omitempty"` // what stays in the drawer
	Tabs    []planTab `json:"tabs,omitempty"`
	request *request  // of this run; Key and Hash of an earlier one
	tabs    []receipt.ZTab
}

type planCash struct {
	Expected   int64      `json:"expected"`
	Counted    *int64     `json:"counted,omitempty"`
	Difference int64      `json:"difference,omitempty"`
	Dropped    int64      `json:"dropped,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Pieces     [][2]int64 `json:"pieces,omitempty"` // value, count
}

type planTab struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Gross int64  `json:"gross"`
	Lines int64  `json:"lines"`
	What  string `json:"what"`
	To    string `json:"to,omitempty"`
}

// Steps of a plan that are receipts before the closing. The float after it ends the plan.
const (
	stepDifference = "difference"
	stepDrop       = "drop"
)

// steps reports whether there is more to do than the closing itself.
func (p *closingPlan) steps() bool {
	return p.Cash.Difference != 0 || p.Cash.Dropped != 0 || p.Float > 0
}

// note is the plan as it is kept.
func (p *closingPlan) note() (replication.Note, error) {
	p.Version, p.Tabs = planVersion, nil
	for _, t := range p.tabs {
		one := planTab{ID: t.ID.String(), Name: t.Name, Gross: int64(t.Gross), Lines: t.Lines, What: t.What}
		if !t.To.IsZero() {
			one.To = t.To.String()
		}
		p.Tabs = append(p.Tabs, one)
	}
	if p.request != nil {
		p.Key, p.Hash = p.request.key, p.request.hash[:]
	}
	b, err := json.Marshal(p)
	return replication.Note{Key: planNote, Value: b}, err
}

// readPlan reads what note wrote.
func readPlan(b []byte) (*closingPlan, error) {
	p := new(closingPlan)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("closing that was begun: %w", err)
	}
	if p.Version != planVersion {
		return nil, fmt.Errorf("closing that was begun: it is of version %d, this program knows %d", p.Version, planVersion)
	}
	for _, one := range p.Tabs {
		t := receipt.ZTab{Name: one.Name, Gross: receipt.Amount(one.Gross), Lines: one.Lines, What: one.What}
		var err error
		if t.ID, err = crdt.ParseObjectID(one.ID); err != nil {
			return nil, fmt.Errorf("closing that was begun: %w", err)
		}
		if one.To != "" {
			if t.To, err = crdt.ParseTillID(one.To); err != nil {
				return nil, fmt.Errorf("closing that was begun: %w", err)
			}
		}
		p.tabs = append(p.tabs, t)
	}
	if p.Key != "" && len(p.Hash) == sha256.Size {
		p.request = &request{key: p.Key, hash: [32]byte(p.Hash)}
	}
	return p, nil
}

// zcash is what the closing says of the drawer.
func (p *closingPlan) zcash() receipt.ZCash {
	c := p.Cash
	out := receipt.ZCash{Expected: receipt.Amount(c.Expected), Difference: receipt.Amount(c.Difference), Dropped: receipt.Amount(c.Dropped), Reason: c.Reason}
	if c.Counted != nil {
		counted := receipt.Amount(*c.Counted)
		out.Counted = &counted
	}
	for _, x := range c.Pieces {
		out.Pieces = append(out.Pieces, receipt.ZPiece{Value: receipt.Amount(x[0]), Count: x[1]})
	}
	return out
}

// pendingPlan returns the closing that was begun and is not over, nil if there is none.
func (t *Till) pendingPlan(ctx context.Context) (*closingPlan, error) {
	kept, err := t.store.Notes(ctx, planNote)
	if err != nil || kept[0] == nil {
		return nil, err
	}
	p, err := readPlan(kept[0])
	if err != nil {
		t.log.Warn("a closing that was begun cannot be read and is given up", "error", err)
		return nil, t.dropPlan(ctx)
	}
	return p, nil
}

func (t *Till) keepPlan(ctx context.Context, p *closingPlan) error {
	note, err := p.note()
	if err != nil {
		return err
	}
	_, err = t.save(ctx, replication.Local{Notes: []replication.Note{note}})
	return err
}

// noPlan is written when a plan is over.
var noPlan = replication.Note{Key: planNote}

func (t *Till) dropPlan(ctx context.Context, notes ...replication.Note) error {
	_, err := t.save(ctx, replication.Local{Notes: append(notes, noPlan)})
	return err
}

// bookStep books a step before the closing, unless that was done. That it is done is in the change with its receipt: noted
// later it could be lost, and the step be done again.
func (t *Till) bookStep(ctx context.Context, p *closingPlan, step string, m CashMove) error {
	if m.Amount == 0 || slices.Contains(p.Booked, step) {
		return nil
	}
	next := *p
	next.Booked = append(slices.Clone(p.Booked), step)
	note, err := next.note()
	if err != nil {
		return err
	}
	if _, err := t.MoveCash(context.WithValue(ctx, requestKey{}, note), m); err != nil {
		return fmt.Errorf("book the %s: %w", step, err)
	}
	p.Booked = next.Booked
	return nil
}

// ResumeClosing finishes a closing that was begun before the till died, or gives it up if something was sold since, because
// then its count is of an earlier moment, or if nothing was booked yet. It does nothing if there is none.
func (t *Till) ResumeClosing(ctx context.Context) error {
	p, err := t.pendingPlan(ctx)
	if err != nil || p == nil {
		return err
	}
	return t.series.Alone(ctx, func(ctx context.Context) error {
		_, err := t.resume(ctx)
		return err
	})
}

// resumeClosing is ResumeClosing at a start; what fails is tried again by Housekeep.
func (t *Till) resumeClosing(ctx context.Context) {
	if err := t.ResumeClosing(ctx); err != nil && ctx.Err() == nil {
		t.log.Warn("a closing that was begun is not finished yet", "error", err)
	}
}

// keepClosings does what is done about closings now and then.
func (t *Till) keepClosings(ctx context.Context) {
	t.resumeClosing(ctx)
	t.keepDays(ctx)
}

// resume does what is left of a closing that was begun; nil if there is none, or it was given up. The series is held.
func (t *Till) resume(ctx context.Context) (*Closing, error) {
	p, err := t.pendingPlan(ctx)
	if err != nil || p == nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, requestKey{}, nil)
	made, err := t.lastClosingNumber(ctx, seriesKey{t.id.Till, p.Series})
	if err != nil {
		return nil, err
	}
	done := int64(len(p.Booked))
	switch {
	case p.Under != t.series.Prefix():
		return nil, t.leavePlan(ctx, p, made)
	case made >= p.Number:
		c, err := t.heldClosing(ctx, receipt.ZID(t.id.Shop, t.id.Till, p.Series, p.Number))
		if err == nil {
			err = t.endPlan(ctx, p)
		}
		return &c, err
	case done == 0, int64(t.series.Head().Number) != p.Head+done, made+1 != p.Number:
		return nil, t.giveUpPlan(ctx, p)
	}
	sums, err := t.openRange(ctx, p.Series)
	if err != nil {
		return nil, err
	}
	c, err := t.runPlan(ctx, p, sums)
	return &c, err
}

// giveUpPlan ends a plan whose closing was not made. If some of it was booked its request is not done again: what was counted
// then is not what is in the drawer now.
func (t *Till) giveUpPlan(ctx context.Context, p *closingPlan) error {
	t.log.Warn("a closing that was begun is given up: make it anew", "closing", receipt.ZText(p.Series, p.Number), "booked", p.Booked)
	var notes []replication.Note
	if p.request != nil && len(p.Booked) > 0 {
		notes = t.actNotes(ForRequest(ctx, p.request.key, p.request.hash), crdt.ObjectID{})
	}
	return t.dropPlan(ctx, notes...)
}

// AlarmFloat is the kind of alarm about cash in the drawer that may not be booked.
const AlarmFloat = "float"

// leavePlan ends a plan of a series that this till no longer sells under. What is missing of it cannot be booked any more, and
// what the data on this disk says is missing may be booked: it may be older than what was sold, or there are two of it.
func (t *Till) leavePlan(ctx context.Context, p *closingPlan, made int64) error {
	if made < p.Number {
		return t.giveUpPlan(ctx, p)
	}
	t.raise(ctx, AlarmFloat, fmt.Sprintf("What stays in the drawer after %s may not be booked: in the middle of that closing this till went on in a new number series.",
		receipt.ZText(p.Series, p.Number)), "if no receipt books it as float, book it, so that the next closing expects it",
		fmt.Sprintf("%d (minor units) stay in the drawer", p.Float))
	return t.dropPlan(ctx)
}
