package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// AlarmToldRemoved is the kind of the alarm that another till says that this one was removed from the shop.
const AlarmToldRemoved = "told-removed"

// toldNote is how the notes begin that keep which tills say that this one was removed: then the till. The value is a msgpack
// array: version 1, first and last time (Unix milliseconds).
const toldNote = "told-removed/"

const (
	toldVersion = 1
	// saveToldEvery is how often it is written down that a till goes on saying so.
	saveToldEvery = 10 * time.Minute
	// toldKept bounds how many are read; a shop has fewer tills.
	toldKept = 1000
)

// ToldRemoved is the word of one till of the shop that this one was removed from it. Nothing is done because of it: whether it
// is so is known only when the revocation itself arrives, see [Till.Removed].
type ToldRemoved struct {
	Till  crdt.TillID
	Name  string
	Since time.Time // when it said so first
	At    time.Time // when it said so last
}

// removals remembers who says that this till was removed.
type removals struct {
	mu sync.Mutex
	by map[crdt.TillID]*toldBy
}

type toldBy struct {
	since, at, saved int64 // Unix milliseconds; saved 0: it is not written down yet
	withdrawn        bool  // there was a link to that till since
}

func (t *Till) loadTold(ctx context.Context) error {
	notes, err := t.store.NotesFrom(ctx, toldNote, "", toldKept)
	if err != nil {
		return err
	}
	t.told.by = make(map[crdt.TillID]*toldBy, len(notes))
	for _, n := range notes {
		till, err := crdt.ParseTillID(strings.TrimPrefix(n.Key, toldNote))
		var b toldBy
		if err == nil {
			b, err = decodeTold(n.Value)
		}
		if err != nil {
			t.log.Warn("a note about what another till said cannot be read", "note", n.Key, "error", err)
			continue
		}
		t.told.by[till] = &b
	}
	return nil
}

// TellRemoved takes that a till, which has proved its key, refuses this one because it was removed. It does not block.
func (t *Till) TellRemoved(by crdt.TillID) {
	if !t.roster.active(by) {
		return
	}
	now := t.clock.MS()
	t.told.mu.Lock()
	defer t.told.mu.Unlock()
	b := t.told.by[by]
	if b == nil || b.withdrawn {
		b = &toldBy{since: now}
		t.told.by[by] = b
		t.events.post(Event{What: "status"})
	}
	b.at = now
}

// linkedAgain takes that there is a link to a till: it says no more that this one was removed.
func (t *Till) linkedAgain(till crdt.TillID) {
	t.told.mu.Lock()
	defer t.told.mu.Unlock()
	if b := t.told.by[till]; b != nil {
		b.withdrawn = true
	}
}

// ToldRemoved returns which active tills of the shop say that this one was removed, the first to say so first; none once
// this till knows it.
func (t *Till) ToldRemoved() []ToldRemoved {
	if _, known := t.Removed(); known {
		return nil
	}
	t.told.mu.Lock()
	var out []ToldRemoved
	for till, b := range t.told.by {
		if !b.withdrawn {
			out = append(out, ToldRemoved{Till: till, Since: time.UnixMilli(b.since), At: time.UnixMilli(b.at)})
		}
	}
	t.told.mu.Unlock()
	out = slices.DeleteFunc(out, func(o ToldRemoved) bool { return !t.roster.active(o.Till) })
	for i := range out {
		out[i].Name = t.roster.name(out[i].Till)
	}
	slices.SortFunc(out, func(a, b ToldRemoved) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return a.Till.Compare(b.Till)
	})
	return out
}

// keepTold writes down who says so, and raises an alarm for each till that says so for the first time.
func (t *Till) keepTold(ctx context.Context) {
	notes, fresh := t.told.unsaved()
	if len(notes) == 0 {
		return
	}
	if err := t.keepNotes(ctx, notes...); err != nil {
		t.log.Warn("what other tills said was not saved", "error", err)
		return
	}
	t.told.saved(notes)
	for _, till := range fresh {
		t.raise(ctx, AlarmToldRemoved, fmt.Sprintf("%s says that this till was removed from the shop.", t.roster.name(till)),
			"look on another till whether that is so: \"till mesh\" there lists who belongs to the shop; nothing was deleted here; to sell on with this machine, "+
				"let it join anew with an empty directory, and take over what this one holds with \"till recover\"", "said by "+till.String())
	}
}

// unsaved returns the notes to write, and the tills that are in none yet.
func (o *removals) unsaved() (notes []replication.Note, fresh []crdt.TillID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for till, b := range o.by {
		switch key := toldNote + till.String(); {
		case b.withdrawn:
			notes = append(notes, replication.Note{Key: key})
		case b.saved == 0 || b.at-b.saved >= saveToldEvery.Milliseconds():
			notes = append(notes, replication.Note{Key: key, Value: b.encode()})
			if b.saved == 0 {
				fresh = append(fresh, till)
			}
		}
	}
	slices.SortFunc(fresh, crdt.TillID.Compare)
	slices.SortFunc(notes, func(a, b replication.Note) int { return strings.Compare(a.Key, b.Key) })
	return notes, fresh
}

// saved takes that these notes are durable. What changed meanwhile is written the next time.
func (o *removals) saved(notes []replication.Note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range notes {
		till, err := crdt.ParseTillID(strings.TrimPrefix(n.Key, toldNote))
		b := o.by[till]
		switch {
		case err != nil || b == nil:
		case n.Value == nil && b.withdrawn:
			delete(o.by, till)
		case n.Value != nil:
			b.saved = b.at
		}
	}
}

func (b *toldBy) encode() []byte {
	raw := codec.AppendUint(codec.AppendArray(nil, 3), toldVersion)
	return codec.AppendInt(codec.AppendInt(raw, b.since), b.at)
}

func decodeTold(raw []byte) (toldBy, error) {
	if err := codec.Check(raw); err != nil {
		return toldBy{}, err
	}
	r := codec.NewReader(raw)
	more := r.ArrayOf(3)
	if v := r.Uint(); r.Err() == nil && v != toldVersion {
		return toldBy{}, fmt.Errorf("note of version %d: %w", v, crdt.ErrVersion)
	}
	b := toldBy{since: r.Int(), at: r.Int()}
	r.Skip(more)
	b.saved = max(b.at, 1)
	return b, r.Done()
}
