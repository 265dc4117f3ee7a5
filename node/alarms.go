package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
)

// Kinds of alarms beside those of package lineage. They are part of the API: append, never change.
const (
	AlarmCopy     = "copy-runs" // another machine runs as this till
	AlarmFork     = "fork"      // two different changes under one number
	AlarmRepaired = "repaired"  // an audit put something back
	AlarmDiffers  = "differs"   // an audit found a difference that stays
	AlarmUnread   = "unread"    // the rows could not be read
)

// Alarm is something about this till that a person should know. It stays until somebody says that it was seen, and is
// listed after that, too.
type Alarm struct {
	ID      string
	Kind    string
	Text    string // what it means, whole sentences
	Next    string // what to do, may be empty
	Detail  string // what exactly was found
	At      time.Time
	Seen    time.Time // zero: nobody saw it yet
	SeenBy  string
	Reasons []lineage.Doubt // of a new number series: all of them
	Prefix  string          // of the new number series, empty if it is no such alarm
	Before  string          // the last known number of the series before, empty if unknown
	Rebuilt *Rebuilt        // the store was made anew
}

// alarmsKept is how many alarms are kept that are none about a new number series.
const alarmsKept = 100

// CodeNoAlarm refuses what is said about an alarm that is not there.
const CodeNoAlarm = "unknown-alarm"

// alarms are those of a till, in memory as they are kept.
type alarms struct {
	mu       sync.Mutex
	lineages []lineage.Alarm
	others   []kept // the oldest first
}

func (t *Till) loadAlarms(ctx context.Context) (err error) {
	if t.alarms.lineages, err = lineage.Alarms(ctx, t.store); err != nil {
		if !errors.Is(err, lineage.ErrDamaged) && !errors.Is(err, crdt.ErrVersion) {
			return err
		}
		t.log.Warn("an alarm cannot be read", "error", err)
	}
	notes, err := t.store.NotesFrom(ctx, alarmNote, "", 10*alarmsKept)
	if err != nil {
		return err
	}
	for _, n := range notes {
		k, err := readAlarm(n)
		if err != nil {
			t.log.Warn("an alarm cannot be read", "note", n.Key, "error", err)
			continue
		}
		t.alarms.others = append(t.alarms.others, k)
	}
	slices.SortFunc(t.alarms.others, func(a, b kept) int { return cmp.Or(cmp.Compare(a.MS, b.MS), strings.Compare(a.ID, b.ID)) })
	return t.loadRebuilt(ctx)
}

// Alarms returns the alarms of this till, the latest first.
func (t *Till) Alarms() []Alarm {
	t.alarms.mu.Lock()
	defer t.alarms.mu.Unlock()
	out := make([]Alarm, 0, len(t.alarms.lineages)+len(t.alarms.others))
	for _, a := range t.alarms.lineages {
		out = append(out, t.ofLineage(a))
	}
	for _, k := range t.alarms.others {
		out = append(out, k.alarm())
	}
	slices.SortStableFunc(out, func(a, b Alarm) int { return b.At.Compare(a.At) })
	return out
}

// ofLineage shows the alarm about a new number series.
func (t *Till) ofLineage(a lineage.Alarm) Alarm {
	out := Alarm{ID: a.Replica.String(), At: time.UnixMilli(a.MS), Reasons: a.Doubts, Prefix: a.Prefix, SeenBy: a.SeenBy,
		Next: "nothing has to be done; compare the receipts of the last day if the data was restored or copied on purpose"}
	if a.SeenMS != 0 {
		out.Seen = time.UnixMilli(a.SeenMS)
	}
	if len(a.Doubts) > 0 {
		out.Kind, out.Text, out.Detail = string(a.Doubts[0].Kind), a.Doubts[0].Text, a.Doubts[0].Detail
	}
	if a.LastNumber > 0 {
		out.Before = number(a.LastPrefix, a.LastNumber)
	}
	if lineage.Copied(a.Doubts) {
		out.Next = "make sure that no other machine runs with a copy of this till's data"
	}
	if r, ok := t.refill.of(a.Replica); ok {
		out.Rebuilt = &r
		out.Next = "nothing has to be done; if no other till is left, restore a backup"
		if r.Moved != "" {
			out.Next = fmt.Sprintf("nothing has to be done; the damaged data is kept in %s in the data directory, remove it when the receipts were compared", r.Moved)
		}
	}
	return out
}

// raise adds an alarm, or renews one of the same kind and text that nobody has seen.
func (t *Till) raise(ctx context.Context, kind, text, next, detail string) {
	t.alarms.mu.Lock()
	notes := t.alarms.add(kept{ID: t.env.objectID().String(), Kind: kind, Text: text, Next: next, Detail: detail, MS: t.clock.MS()})
	t.alarms.mu.Unlock()
	t.log.Warn("alarm", "kind", kind, "text", text, "detail", detail)
	if err := t.keepNotes(ctx, notes...); err != nil {
		t.log.Warn("an alarm was not saved", "error", err)
	}
	t.events.post(Event{What: "alarm"})
}

// add takes an alarm and returns the notes that change with it.
func (l *alarms) add(k kept) []replication.Note {
	for i, old := range l.others {
		if old.SeenMS == 0 && old.Kind == k.Kind && old.Text == k.Text {
			k.ID = old.ID
			l.others = append(slices.Delete(l.others, i, i+1), k)
			return []replication.Note{k.note()}
		}
	}
	l.others = append(l.others, k)
	notes := []replication.Note{k.note()}
	if len(l.others) > alarmsKept {
		drop := max(0, slices.IndexFunc(l.others, func(o kept) bool { return o.SeenMS != 0 }))
		notes = append(notes, replication.Note{Key: alarmNote + l.others[drop].ID})
		l.others = slices.Delete(l.others, drop, drop+1)
	}
	return notes
}

// SeenAlarm notes that somebody saw an alarm. One that was seen before stays as it is.
func (t *Till) SeenAlarm(ctx context.Context, id, by string) (Alarm, error) {
	note, found := t.seen(id, by)
	if !found {
		return Alarm{}, refuse(CodeNoAlarm, "GET /api/v1/alarms lists them", "there is no alarm %.60q", id)
	}
	if note != nil {
		if err := t.keepNotes(ctx, *note); err != nil {
			return Alarm{}, err
		}
		t.events.post(Event{What: "alarm"})
	}
	for _, a := range t.Alarms() {
		if a.ID == id {
			return a, nil
		}
	}
	return Alarm{}, refuse(CodeNoAlarm, "GET /api/v1/alarms lists them", "there is no alarm %.60q", id)
}

// seen marks an alarm and returns its note, nil if it was marked already.
func (t *Till) seen(id, by string) (note *replication.Note, found bool) {
	t.alarms.mu.Lock()
	defer t.alarms.mu.Unlock()
	for i := range t.alarms.lineages {
		a := &t.alarms.lineages[i]
		if a.Replica.String() != id {
			continue
		}
		if a.SeenMS != 0 {
			return nil, true
		}
		*a = a.Seen(t.clock.MS(), by)
		n := a.Note()
		return &n, true
	}
	for i := range t.alarms.others {
		k := &t.alarms.others[i]
		if k.ID != id {
			continue
		}
		if k.SeenMS != 0 {
			return nil, true
		}
		k.SeenMS, k.SeenBy = t.clock.MS(), clipText(by)
		n := k.note()
		return &n, true
	}
	return nil, false
}
