package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// decidedDays is how long a decision about a case is listed.
const decidedDays = 30

// decision is what a person decided about a case, as it was merged.
type decision struct {
	receipt.Resolution
	dot crdt.Dot // the lowest that brought it
}

// decisions are the cases that people decided. A decision is an item of its own and rare, so all of them are read at a start;
// those of the last days are listed, about the others the store is asked.
type decisions struct {
	mu   sync.Mutex
	list map[crdt.ObjectID][]crdt.ObjectID // of the last days: case, decisions
}

func (d *decisions) add(of, id crdt.ObjectID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list == nil {
		d.list = make(map[crdt.ObjectID][]crdt.ObjectID)
	}
	if !slices.Contains(d.list[of], id) {
		d.list[of] = append(d.list[of], id)
	}
}

func (d *decisions) cases() []crdt.ObjectID {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]crdt.ObjectID, 0, len(d.list))
	for id := range d.list {
		out = append(out, id)
	}
	slices.SortFunc(out, crdt.ObjectID.Compare)
	return out
}

func (d *decisions) drop(of crdt.ObjectID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.list, of)
}

func recent(now time.Time, ms int64) bool {
	return now.UnixMilli()-ms < decidedDays*24*int64(time.Hour/time.Millisecond)
}

// loadDecisions reads all decisions.
func (t *Till) loadDecisions(ctx context.Context) error {
	now := t.clock.Now()
	for from := (crdt.ObjectID{}); ; {
		list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeResolution, from, refundBlock)
		if err != nil || len(list) == 0 {
			return err
		}
		read, err := t.resolutions(ctx, list)
		if err != nil {
			return err
		}
		for i, r := range read {
			if recent(now, r.MS) {
				t.decided.add(r.Case, list[i].ID)
			}
		}
		next, more := store.NextID(list[len(list)-1].ID)
		if !more || len(list) < refundBlock {
			return nil
		}
		from = next
	}
}

// resolutions reads decisions. One that cannot be read has no case.
func (t *Till) resolutions(ctx context.Context, list []store.Found) ([]decision, error) {
	stored, err := t.stored(ctx, receipt.TypeResolution, list)
	if err != nil {
		return nil, fmt.Errorf("read decisions about cases: %w", err)
	}
	out := make([]decision, len(list))
	for i, s := range stored {
		if s.Item == nil {
			continue
		}
		r, err := receipt.ParseResolution(s.Item.Raw)
		if err != nil {
			t.log.Warn("a decision about a case cannot be read", "id", list[i].ID, "error", err)
			continue
		}
		out[i] = decision{r, s.Object.Items[0].Origin.Dot}
	}
	return out, nil
}

// decisionsAbout returns what was decided about a case, by the lowest dot: the first one counts where tills that could not hear
// each other decided differently.
func (t *Till) decisionsAbout(ctx context.Context, of crdt.ObjectID) ([]decision, error) {
	first, last := receipt.ResolutionRange(of)
	list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeResolution, first, refundBlock)
	if err != nil {
		return nil, fmt.Errorf("read decisions about case %v: %w", of, err)
	}
	list = slices.DeleteFunc(list, func(f store.Found) bool { return f.ID.Compare(last) > 0 })
	out, err := t.resolutions(ctx, list)
	out = slices.DeleteFunc(out, func(d decision) bool { return d.Case != of })
	slices.SortFunc(out, func(a, b decision) int { return a.dot.Compare(b.dot) })
	return out, err
}

// tookDecisions notes decisions that became durable and tells screens.
func (t *Till) tookDecisions(taken []replication.Taken) (events []Event) {
	for i := range taken {
		c := taken[i].Commit
		for k := range c.Pieces {
			p := &c.Pieces[k]
			if p.Kind != crdt.KindItem || p.Type != receipt.TypeResolution {
				continue
			}
			r, err := receipt.ParseResolution(p.Raw)
			if err != nil {
				continue // a newer program wrote it
			}
			t.decided.add(r.Case, p.Object)
			events = append(events, Event{What: "case", Object: r.Case.String(), Change: ChangeResolved, Till: r.Till.String()})
		}
	}
	return events
}
