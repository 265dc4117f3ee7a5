package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// rebuiltNote is how the notes begin that say what became of a store that was made anew: then the lineage that began in it.
const rebuiltNote = "rebuilt/"

// Rebuilt says what became of the data of a till whose store was lost or damaged and made anew.
type Rebuilt struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Found   string    `json:"found"`           // what was wrong
	Moved   string    `json:"moved,omitempty"` // name in the data directory of the damaged store, which is kept; empty if there was none
	Saved   int       `json:"saved"`           // changes that were read from it
	Damage  []string  `json:"damage,omitempty"`
	Fetched int       `json:"fetched"` // changes that came from the other tills since
	Whole   bool      `json:"whole"`   // it was equal with another till since
}

func (r *rebuild) note(replica crdt.ReplicaID) replication.Note {
	return Rebuilt{Version: rebuildsForm, At: r.At, Found: r.Detail, Moved: r.Moved, Saved: r.Commits, Damage: r.Damage}.note(replica)
}

func (r Rebuilt) note(replica crdt.ReplicaID) replication.Note {
	b, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("a struct of texts and numbers: %v", err))
	}
	return replication.Note{Key: rebuiltNote + replica.String(), Value: b}
}

// refill counts what a store that was made anew gets back.
type refill struct {
	mu      sync.Mutex
	all     map[crdt.ReplicaID]Rebuilt
	running crdt.ReplicaID // the one that is not whole yet, zero if none
	dirty   bool
}

func (t *Till) loadRebuilt(ctx context.Context) error {
	notes, err := t.store.NotesFrom(ctx, rebuiltNote, "", 1000)
	if err != nil {
		return err
	}
	t.refill.all = make(map[crdt.ReplicaID]Rebuilt, len(notes))
	for _, n := range notes {
		replica, err := crdt.ParseReplicaID(strings.TrimPrefix(n.Key, rebuiltNote))
		var r Rebuilt
		if err == nil {
			err = json.Unmarshal(n.Value, &r)
		}
		if err != nil {
			t.log.Warn("a note about a store that was made anew cannot be read", "note", n.Key, "error", err)
			continue
		}
		t.refill.all[replica] = r
		if !r.Whole && replica == t.id.Replica {
			t.refill.running = replica
		}
	}
	return nil
}

// took counts what came from other tills.
func (f *refill) took(taken []replication.Taken) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running.IsZero() {
		return
	}
	r := f.all[f.running]
	for i := range taken {
		if !taken[i].Own {
			r.Fetched++
			f.dirty = true
		}
	}
	f.all[f.running] = r
}

func (f *refill) of(replica crdt.ReplicaID) (Rebuilt, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.all[replica]
	return r, ok
}

// saveRefill writes down how far a store that was made anew is.
func (t *Till) saveRefill(ctx context.Context) {
	whole := false
	for _, l := range t.replicator.State().Links {
		whole = whole || l.Ready && !l.EqualAt.IsZero() && !l.Pulling
	}
	f := &t.refill
	f.mu.Lock()
	replica := f.running
	r := f.all[replica]
	if replica.IsZero() || !whole && !f.dirty {
		f.mu.Unlock()
		return
	}
	f.dirty = false
	if r.Whole = whole; whole {
		f.running = crdt.ReplicaID{}
	}
	f.all[replica] = r
	f.mu.Unlock()
	if err := t.keepNotes(ctx, r.note(replica)); err != nil {
		t.log.Warn("how far the new store is was not saved", "error", err)
	}
}

// keepNotes writes notes of the till itself, also on one that may not sell.
func (t *Till) keepNotes(ctx context.Context, notes ...replication.Note) error {
	wait, err := t.replicator.Submit(replication.Local{Notes: notes})
	if err != nil {
		return err
	}
	_, err = wait(ctx)
	return err
}
