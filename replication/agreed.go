package replication

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// agreedEvery is how long a mark that moved may wait to be written if no own change takes it along.
const agreedEvery = 30 * time.Second

// AgreedPrefix is how the keys of agreed notes begin.
const AgreedPrefix = "agreed/"

// AgreedNote returns the key of the note that says up to which own number some other till confirmed to hold everything of
// a scope. The value is what [AppendAgreed] writes. Notes follow late: a commit behind the mark may be held elsewhere,
// one up to it is.
func AgreedNote(scope crdt.Scope) string { return AgreedPrefix + string(scope.AppendKey(nil)) }

// AppendAgreed writes the value of an agreed note: the replica whose numbers are meant, and the number.
func AppendAgreed(b []byte, replica crdt.ReplicaID, seq crdt.Seq) []byte {
	return codec.AppendUint(codec.AppendBytes(codec.AppendArray(b, 2), replica[:]), uint64(seq))
}

// ReadAgreed reads what [AppendAgreed] wrote.
func ReadAgreed(b []byte) (replica crdt.ReplicaID, seq crdt.Seq, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	r.Fixed(replica[:])
	seq = crdt.Seq(r.Uint())
	r.Skip(more)
	if err := r.Done(); err != nil {
		return replica, 0, fmt.Errorf("agreed note: %w", err)
	}
	return replica, seq, nil
}

// marks follows up to which own number another till holds everything.
type marks struct {
	on      bool
	written map[crdt.Scope]crdt.Seq
	moved   map[crdt.Scope]bool // some till said that it holds more
	due     time.Time           // when to write them if nothing else is written
}

func (m *marks) init(written map[crdt.Scope]crdt.Seq) {
	m.on, m.written, m.moved = written != nil, make(map[crdt.Scope]crdt.Seq), make(map[crdt.Scope]bool)
	for scope, seq := range written {
		m.written[scope] = seq
	}
}

// tells notes that a peer told what it holds of own commits.
func (c *Core) tells(now time.Time, scope crdt.Scope, entries crdt.Context) {
	if !c.marks.on || c.marks.moved[scope] || entries.Last(c.cfg.Replica) <= c.marks.written[scope] {
		return
	}
	c.marks.moved[scope] = true
	if c.marks.due.IsZero() {
		c.marks.due = now.Add(agreedEvery)
	}
}

// agreedNotes returns notes about the marks that moved.
func (c *Core) agreedNotes() (notes []Note) {
	for _, scope := range sortedScopes(c.marks.moved) {
		if seq := c.AgreedTo(scope); seq > c.marks.written[scope] {
			c.marks.written[scope] = seq
			notes = append(notes, Note{Key: AgreedNote(scope), Value: AppendAgreed(nil, c.cfg.Replica, seq)})
		}
		delete(c.marks.moved, scope)
	}
	c.marks.due = time.Time{}
	return notes
}

func (c *Core) tickMarks(now time.Time) {
	if c.marks.due.IsZero() || now.Before(c.marks.due) {
		return
	}
	if notes := c.agreedNotes(); len(notes) > 0 {
		c.offer(request{op: Op{Notes: notes}, size: 256})
	}
}

// AgreedTo returns the own number up to which one other till is known to hold everything of a scope, 0 for none.
func (c *Core) AgreedTo(scope crdt.Scope) (best crdt.Seq) {
	own := crdt.Context{c.cfg.Replica: c.contexts[scope][c.cfg.Replica]}
	if len(own[c.cfg.Replica]) == 0 {
		return 0
	}
	for _, scopes := range c.held {
		upTo := own.Last(c.cfg.Replica)
		if left := own.Minus(scopes[scope])[c.cfg.Replica]; len(left) > 0 {
			upTo = lastUpTo(own[c.cfg.Replica], left[0].After)
		}
		best = max(best, upTo)
	}
	return best
}

// lastUpTo returns the highest number of the runs that is not above a bound.
func lastUpTo(runs []crdt.Interval, bound crdt.Seq) (last crdt.Seq) {
	for _, iv := range runs {
		if iv.After < bound {
			last = min(iv.To, bound)
		}
	}
	return last
}

// Unheld returns the own commits of a scope, live or not, that no other till is known to hold.
func (c *Core) Unheld(scope crdt.Scope) crdt.Context {
	own := crdt.Context{c.cfg.Replica: c.contexts[scope][c.cfg.Replica]}
	for _, scopes := range c.held {
		if held := scopes[scope][c.cfg.Replica]; len(held) > 0 {
			own = own.Minus(crdt.Context{c.cfg.Replica: held})
		}
	}
	return own.Minus(nil)
}
