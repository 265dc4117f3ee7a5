package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// watchedMost is of how many of the newest receipts screens are told on which tills they are.
	watchedMost = 256
	// gatherCopies is how long what is known of copies is gathered before screens are told.
	gatherCopies = 500 * time.Millisecond
	// gatherRelease is that while a receipt waits for it.
	gatherRelease = 5 * time.Millisecond
)

// copies knows on which tills the newest receipts are, which wait to be printed, and what only this till holds.
type copies struct {
	wake chan struct{} // one slot: another till said that it holds more
	turn sync.Mutex    // one update at a time

	active []crdt.TillID // tills and clouds when it was updated last; turn guards it

	mu      sync.Mutex
	watched []watchedReceipt // not known to be on all tills, the oldest first
	waiting map[crdt.ObjectID]*waitingReceipt
	risk    atRisk
	archive archiving

	overriding sync.Mutex // one override at a time: a receipt has one at most
	said       saidRisks
}

// watchedReceipt is a receipt whose copies may grow.
type watchedReceipt struct {
	id     crdt.ObjectID
	number string
	dot    crdt.Dot
	till   crdt.TillID
	told   int
	stored bool // told that it is archived
}

func newCopies() *copies {
	return &copies{wake: make(chan struct{}, 1), waiting: make(map[crdt.ObjectID]*waitingReceipt), said: newSaidRisks()}
}

// Held tells that another till said that it holds more. It does not block.
func (t *Till) Held() {
	select {
	case t.copies.wake <- struct{}{}:
	default: // it is looked at anyway
	}
}

// holders returns the other tills that are known to hold one of these commits durably and would give it back: those that
// left the shop do not count, whatever they hold.
func (t *Till) holders(dots ...crdt.Dot) []crdt.TillID {
	var out []crdt.TillID
	for i, d := range dots {
		for _, till := range t.replicator.Holders(crdt.Sales, d) {
			if till != t.id.Till && t.roster.active(till) && (i == 0 || !slices.Contains(out, till)) {
				out = append(out, till)
			}
		}
	}
	if len(dots) > 1 {
		slices.SortFunc(out, crdt.TillID.Compare)
	}
	return out
}

// dotsOf returns the commits that carried an item: more than one if it was said again under a new lineage.
func dotsOf(items []crdt.Copy) []crdt.Dot {
	out := make([]crdt.Dot, len(items))
	for i, c := range items {
		out[i] = c.Origin.Dot
	}
	return out
}

// tookReceipts notes receipts that became durable, and tells of overrides.
func (t *Till) tookReceipts(taken []replication.Taken) (events []Event) {
	c := t.copies
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range taken {
		commit := taken[i].Commit
		for k := range commit.Pieces {
			p := &commit.Pieces[k]
			if p.Kind != crdt.KindItem {
				continue
			}
			writer := t.roster.tillOf(commit.Dot.Replica)
			switch p.Type {
			case receipt.TypeReceipt:
				item, err := receipt.ParseReceipt(p.Raw)
				if err != nil {
					continue // it is told when it is asked for
				}
				if len(c.watched) >= watchedMost {
					c.watched = append(c.watched[:0:0], c.watched[1:]...)
				}
				c.watched = append(c.watched, watchedReceipt{p.Object, item.NumberText(), commit.Dot, writer, 1, false})
				if commit.Dot.Replica == t.id.Replica {
					c.risk.add(riskEntry{id: p.Object, dots: []crdt.Dot{commit.Dot}, document: item.Document})
				}
			case receipt.TypeRelease:
				if v, err := receipt.ParseRelease(p.Raw); err == nil {
					delete(c.waiting, v.Receipt)
					events = append(events, Event{What: "receipt", Object: v.Receipt.String(), Change: ChangeRelease, Release: Overridden, Till: writer.String()})
				}
			}
		}
	}
	return events
}

// Changes of receipts in events.
const (
	ChangeCopies   = "copies"   // it is on more tills
	ChangeArchived = "archived" // it is in the archive of a cloud
	ChangeRelease  = "release"  // whether it may be printed
)

// UpdateCopies looks on which tills the newest receipts are by now, tells screens what changed, and lets receipts go that
// waited for it. Call it soon after Held, and now and then; a call while another one runs does nothing.
func (t *Till) UpdateCopies(ctx context.Context) {
	c := t.copies
	if !c.turn.TryLock() {
		return
	}
	defer c.turn.Unlock()
	t.recount(ctx)
	others, now := t.otherActive(), t.clock.Now()
	coupled := len(t.roster.coupledClouds()) > 0
	var events []Event
	c.mu.Lock()
	kept := c.watched[:0:0]
	for _, w := range c.watched {
		n := 1 + len(t.holders(w.dot))
		if n != w.told {
			w.told = n
			events = append(events, Event{What: "receipt", Object: w.id.String(), Number: w.number, Change: ChangeCopies, Copies: n, Till: w.till.String()})
		}
		if coupled && !w.stored && t.inArchive(w.dot) {
			w.stored = true
			c.archive.learn(w.id, now)
			events = append(events, Event{What: "receipt", Object: w.id.String(), Number: w.number, Change: ChangeArchived, Till: w.till.String()})
		}
		if n <= others || coupled && !w.stored {
			kept = append(kept, w)
		}
	}
	c.watched = kept
	released, told := t.updateWaiting()
	events = append(events, told...)
	t.pruneRisk()
	c.mu.Unlock()
	t.events.post(events...)
	if len(released) > 0 {
		// What is not removed now is found released again after the next start.
		if _, err := t.save(ctx, replication.Local{Notes: released}); err != nil {
			t.log.Debug("receipts that may be printed are still noted as waiting", "error", err)
		}
	}
}

// otherActive returns how many other active tills the shop has.
func (t *Till) otherActive() int {
	n := 0
	for _, till := range t.roster.activeTills() {
		if till != t.id.Till {
			n++
		}
	}
	return n
}

// watchCopies looks at copies soon after another till said that it holds more, and when the time of a receipt that waits is
// over, until ctx is done.
func (t *Till) watchCopies(ctx context.Context) {
	for {
		rest := time.Hour
		d, waiting := t.nextRelease()
		if waiting {
			rest = d + time.Millisecond
		}
		if !t.env.wait(ctx, rest, t.copies.wake) {
			return
		}
		gather := gatherCopies
		if t.anyWaiting() {
			gather = gatherRelease
		}
		if !t.env.wait(ctx, gather, nil) {
			return
		}
		t.UpdateCopies(ctx)
	}
}

// anyWaiting reports whether a receipt waits to be printed.
func (t *Till) anyWaiting() bool {
	t.copies.mu.Lock()
	defer t.copies.mu.Unlock()
	return len(t.copies.waiting) > 0
}

// isWaiting reports whether a receipt is on too few tills to be printed.
func (t *Till) isWaiting(id crdt.ObjectID) bool {
	t.copies.mu.Lock()
	w := t.copies.waiting[id]
	t.copies.mu.Unlock()
	return w != nil && 1+len(t.holders(w.dots...)) < w.wanted
}

// loadCopies finds again after a start what waits to be printed, what only this till holds, and what the others said.
func (t *Till) loadCopies(ctx context.Context) error {
	t.copies.active = t.roster.agreeing()
	return errors.Join(t.loadWaiting(ctx), t.loadRisk(ctx), t.loadRisks(ctx))
}

// recount counts what only this till holds from the store if what was counted does not hold: a till left the shop or a cloud was
// uncoupled, so its copies do not count any more, or there were more receipts than are counted one by one. copies.turn is held.
func (t *Till) recount(ctx context.Context) {
	active := t.roster.agreeing()
	left := slices.ContainsFunc(t.copies.active, func(till crdt.TillID) bool { return !slices.Contains(active, till) })
	t.copies.active = active
	t.copies.mu.Lock()
	defer t.copies.mu.Unlock()
	r := &t.copies.risk
	if left {
		r.confirms = 0
	} else if !r.more || len(r.entries) > 0 {
		return
	}
	err := t.findRisk(ctx, func(dots []crdt.Dot) bool { return t.kept(dots...) || r.confirms > 0 && t.confirmed(dots) })
	if err != nil {
		t.log.Warn("what only this till holds was not counted", "error", err)
	}
}
