package lineage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// Keys of notes. Notes stay in the till's own store.
const (
	alarmNote    = "lineage/alarm/"    // then the new replica: an Alarm
	reportedNote = "lineage/reported/" // then the replica, "/" and a kind: the detail of a doubt that came up while running
	yieldedNote  = "lineage/yielded"   // why this till sells no more: another machine goes on as it
	againNote    = "lineage/again/"    // then the sealed replica: how far its commits were said again
)

const (
	notesVersion = 1
	maxDoubts    = 100
	maxDetail    = 2000 // bytes
	listNotes    = 1000
)

// Notes is where notes are read; *store.Store is one.
type Notes interface {
	NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error)
}

// Alarm is what is shown about a new lineage until somebody has seen it, and kept after that.
type Alarm struct {
	Replica     crdt.ReplicaID // the new one
	Predecessor crdt.ReplicaID // the sealed one, zero if unknown
	Prefix      string         // of the new numbers
	LastPrefix  string         // of the numbers before, empty if unknown
	LastNumber  uint64         // the last known number of them
	MS          int64          // when, Unix milliseconds
	Doubts      []Doubt        // why
	SeenMS      int64          // when somebody acknowledged it, 0: nobody yet
	SeenBy      string         // who
}

// Seen returns the alarm as acknowledged.
func (a Alarm) Seen(ms int64, by string) Alarm {
	a.SeenMS, a.SeenBy = ms, clip(by)
	return a
}

// Note returns the alarm as it is kept.
func (a Alarm) Note() replication.Note {
	b := codec.AppendUint(codec.AppendArray(nil, 10), notesVersion)
	b = codec.AppendBytes(b, a.Replica[:])
	b = codec.AppendBytes(b, a.Predecessor[:])
	b = codec.AppendString(b, a.Prefix)
	b = codec.AppendString(b, a.LastPrefix)
	b = codec.AppendUint(b, a.LastNumber)
	b = codec.AppendInt(b, a.MS)
	b = codec.AppendInt(b, a.SeenMS)
	b = codec.AppendString(b, clip(a.SeenBy))
	doubts := a.Doubts[:min(len(a.Doubts), maxDoubts)]
	b = codec.AppendArray(b, 2*len(doubts))
	for _, d := range doubts {
		b = codec.AppendString(codec.AppendString(b, string(d.Kind)), clip(d.Detail))
	}
	return replication.Note{Key: alarmNote + a.Replica.String(), Value: b}
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "") }

// ReadAlarm reads the value of the note of an alarm. Errors wrap [ErrDamaged], or [crdt.ErrVersion].
func ReadAlarm(raw []byte) (a Alarm, err error) {
	r, more, err := noteReader("alarm", raw, 10)
	if err != nil {
		return Alarm{}, err
	}
	r.Fixed(a.Replica[:])
	r.Fixed(a.Predecessor[:])
	a.Prefix, a.LastPrefix, a.LastNumber = r.String(), r.String(), r.Uint()
	a.MS, a.SeenMS, a.SeenBy = r.Int(), r.Int(), r.String()
	n := r.Array()
	if n%2 != 0 || n > 2*maxDoubts {
		r.Fail("%d values for doubts", n)
		n = 0
	}
	for range n / 2 {
		kind := Kind(r.String())
		a.Doubts = append(a.Doubts, Doubt{kind, textOf(kind), r.String()})
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Alarm{}, fmt.Errorf("alarm: %w: %w", ErrDamaged, err)
	}
	return a, nil
}

// noteReader begins to read a note, an array of at least n values that begins with a version. more are the values behind
// those n that this program does not know.
func noteReader(what string, raw []byte, n int) (r *codec.Reader, more int, err error) {
	if err := codec.Check(raw); err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", what, ErrDamaged, err)
	}
	r = codec.NewReader(raw)
	more = r.ArrayOf(n)
	version := r.Uint()
	switch {
	case r.Err() != nil:
		return nil, 0, fmt.Errorf("%s: %w: %w", what, ErrDamaged, r.Err())
	case version > notesVersion:
		return nil, 0, fmt.Errorf("%s of version %d: %w", what, version, crdt.ErrVersion)
	case version == 0:
		return nil, 0, fmt.Errorf("%s: %w: version 0", what, ErrDamaged)
	}
	return r, more, nil
}

// Alarms returns the alarms of this till, the latest first. One that cannot be read is an error beside the others.
func Alarms(ctx context.Context, st Notes) ([]Alarm, error) {
	notes, err := st.NotesFrom(ctx, alarmNote, "", listNotes)
	if err != nil {
		return nil, err
	}
	var out []Alarm
	var bad error
	for _, n := range notes {
		a, err := ReadAlarm(n.Value)
		if err != nil {
			bad = fmt.Errorf("%s: %w", n.Key, err)
			continue
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Alarm) int { return cmp.Or(-cmp.Compare(a.MS, b.MS), a.Replica.Compare(b.Replica)) })
	return out, bad
}

// Reported returns the note of a doubt that came up while the till ran as this replica, so that its next start knows.
func Reported(replica crdt.ReplicaID, d Doubt) replication.Note {
	return replication.Note{Key: reportedNote + replica.String() + "/" + string(d.Kind), Value: append([]byte{}, clip(d.Detail)...)}
}

// ReadReported returns the doubts that came up while the till ran as this replica.
func ReadReported(ctx context.Context, st Notes, replica crdt.ReplicaID) ([]Doubt, error) {
	prefix := reportedNote + replica.String() + "/"
	notes, err := st.NotesFrom(ctx, prefix, "", listNotes)
	if err != nil {
		return nil, err
	}
	var out []Doubt
	for _, n := range notes {
		kind := Kind(strings.TrimPrefix(n.Key, prefix))
		out = append(out, New(kind, "%s", n.Value))
	}
	return out, nil
}

// Yielded returns the note that this till sells no more, because [Yields] said so. reason is the sentence to show. It stays
// through new lineages: only a till of its own key goes on in its place.
func Yielded(reason string) replication.Note {
	return replication.Note{Key: yieldedNote, Value: append([]byte{}, clip(reason)...)}
}

// ReadYielded returns the reason for which this till sells no more, and whether there is one.
func ReadYielded(ctx context.Context, st Notes) (reason string, yielded bool, err error) {
	notes, err := st.NotesFrom(ctx, yieldedNote, "", 1)
	if err != nil || len(notes) == 0 {
		return "", false, err
	}
	return string(notes[0].Value), true, nil
}
