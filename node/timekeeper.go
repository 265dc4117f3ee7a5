package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// compareEvery is how often each other till is asked for the time, if nothing makes it urgent.
	compareEvery = time.Minute
	// compareWrong is how often if a clock is known to be wrong.
	compareWrong = 5 * time.Second
	// askTime is how long one answer is waited for; one that took longer says too little.
	askTime = 2 * time.Second
	// clockSaved is how often what is known of the clock is saved although it did not change.
	clockSaved = 5 * time.Minute
	// clockNote is the note of the store that holds it.
	clockNote = "clock"
)

// timekeeper knows how wrong the clock of this machine is: it asks the other tills. It starts nothing; whoever runs the
// till calls [Till.CompareClocks] again and again.
type timekeeper struct {
	env  Environment
	turn sync.Mutex // one comparison at a time; also guards asked

	mu    sync.Mutex
	clock *clock.Clock
	asked map[crdt.TillID]time.Duration // Steady when a linked till was asked last

	saved   clock.State
	savedAt time.Duration
	trusted bool // when it was saved
	told    string
}

// newTimekeeper goes on from what was saved; bytes that cannot be read are as none.
func newTimekeeper(env Environment, saved []byte) (*timekeeper, error) {
	var last clock.State
	var err error
	if saved != nil {
		last, err = clock.DecodeState(saved)
	}
	k := &timekeeper{env: env, asked: make(map[crdt.TillID]time.Duration), saved: last}
	k.clock = clock.New(k.now(), clock.Config{Last: last})
	k.trusted = k.clock.Trusted()
	return k, err
}

// loadClock reads what was known of the clock before this start.
func (t *Till) loadClock(ctx context.Context) error {
	kept, err := t.store.Notes(ctx, clockNote)
	if err != nil {
		return fmt.Errorf("what is known of the clock: %w", err)
	}
	var unread error
	if t.clocks, unread = newTimekeeper(t.env, kept[0]); unread != nil {
		t.log.Warn("what was known of the clock cannot be read", "error", unread)
	}
	t.clock.judge = t.clocks.judge
	return nil
}

func (k *timekeeper) now() clock.Reading {
	return clock.Reading{WallMS: k.env.Now().UnixMilli(), Mono: k.env.Steady()}
}

// judge says by how much the machine's clock is behind and whether it is to be trusted.
func (k *timekeeper) judge() (offset time.Duration, trusted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	ms := k.clock.BusinessMS(now) - now.WallMS
	return time.Duration(ms) * time.Millisecond, k.clock.Trusted()
}

// report returns how the clocks are.
func (k *timekeeper) report() clock.Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clock.Report(k.now())
}

// due returns the linked tills that are to be asked now, and drops those without a link.
func (k *timekeeper) due(linked []crdt.TillID) []crdt.TillID {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.clock.Tick(now)
	for till := range k.asked {
		if !slices.Contains(linked, till) {
			delete(k.asked, till)
			k.clock.Lost(till, now)
		}
	}
	if k.clock.Wanted() {
		clear(k.asked)
	}
	r := k.clock.Report(now)
	unsure := !r.Trusted || r.Split != nil || max(r.OffsetMS, -r.OffsetMS) >= clock.WarnFrom
	wrong := make(map[crdt.TillID]bool)
	for _, p := range r.Peers {
		wrong[p.Till] = p.Wrong
	}
	var out []crdt.TillID
	for _, till := range linked {
		every := compareEvery
		if unsure || wrong[till] {
			every = compareWrong // somebody may be setting it right now, and looks at the screen
		}
		if at, ok := k.asked[till]; !ok || now.Mono-at >= every {
			out = append(out, till)
			k.asked[till] = now.Mono
		}
	}
	return out
}

func (k *timekeeper) observe(till crdt.TillID, sent clock.Reading, answer []byte) error {
	ms, err := clock.DecodeAnswer(answer)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clock.Observe(till, clock.Sample{Sent: sent, Received: k.now(), PeerMS: ms})
	return nil
}

// unsaved returns what is to be saved now, if anything is: a restart must not believe a clock that is known to be wrong.
func (k *timekeeper) unsaved() (clock.State, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	s := k.clock.State(now)
	moved := s.OffsetMS - k.saved.OffsetMS
	if s.Decided == k.saved.Decided && s.Contradicted == k.saved.Contradicted && k.clock.Trusted() == k.trusted &&
		max(moved, -moved) < 1000 && now.Mono-k.savedAt < clockSaved {
		return s, false
	}
	k.saved, k.savedAt, k.trusted = s, now.Mono, k.clock.Trusted()
	return s, true
}

// CompareClocks asks the other tills for the time, each about once a minute and all at once after this machine's clock
// jumped, and saves what came of it. Call it every few seconds; a call while another one runs does nothing.
func (t *Till) CompareClocks(ctx context.Context) {
	k := t.clocks
	if !k.turn.TryLock() {
		return
	}
	defer k.turn.Unlock()
	var linked []crdt.TillID
	for _, l := range t.tillLinks() {
		if l.Ready {
			linked = append(linked, l.Till)
		}
	}
	for _, till := range k.due(linked) {
		t.askTime(ctx, till)
	}
	if s, ok := k.unsaved(); ok {
		if _, err := t.save(ctx, replication.Local{Notes: []replication.Note{{Key: clockNote, Value: s.Encode()}}}); err != nil {
			t.log.Warn("what is known of the clock was not saved", "error", err)
		}
	}
	if text := t.ClockReport().Text; text != k.told {
		k.told = text
		if text != "" {
			t.log.Warn(text)
		}
		t.events.post(Event{What: "status"})
	}
}

func (t *Till) askTime(ctx context.Context, till crdt.TillID) {
	asking, done := context.WithTimeout(ctx, askTime)
	defer done()
	sent := t.clocks.now()
	answer, err := t.replicator.Ask(asking, till, clock.Topic, nil)
	if err == nil {
		err = t.clocks.observe(till, sent, answer)
	}
	if err != nil {
		t.log.Debug("the clock of another till is not known", "till", till.Short(), "error", err)
	}
}

// ClockReport is how the clocks of the shop are, as this till sees them.
type ClockReport struct {
	clock.Report
	Text  string       // what is wrong, in one sentence without a full stop; empty: nothing
	Wrong []clock.Peer // other tills whose clocks are wrong
	Now   time.Time    // business time
	Names func(crdt.TillID) string
}

// ClockReport returns how the clocks are.
func (t *Till) ClockReport() ClockReport {
	r := ClockReport{Report: t.clocks.report(), Now: t.clock.Now(), Names: t.tillName}
	r.Text = r.Sentence(t.tillName)
	if r.Split == nil {
		for _, p := range r.Peers {
			if p.Wrong {
				r.Wrong = append(r.Wrong, p)
			}
		}
	}
	return r
}

// tillName returns what people call a till; the zero ID is this one.
func (t *Till) tillName(id crdt.TillID) string {
	if id.IsZero() {
		id = t.id.Till
	}
	return or(t.roster.name(id), id.Short())
}
