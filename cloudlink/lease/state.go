package lease

import (
	"bytes"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// The times of a lease, in milliseconds.
const (
	Life  = 6000 // how long it holds after it was given or renewed
	Renew = 2000 // how often its holder renews it
	// Gone is how long a holder must not have renewed before another till that knows it gone is believed: longer than Renew, so
	// that a live one is not displaced by a till that only lost sight of it.
	Gone = 2500
)

// Limits of a [Report].
const (
	MaxClasses = 32
	maxClass   = 32      // bytes of the name of a class
	maxCount   = 1 << 53 // what a number of records cannot reach
)

// State is all the cloud keeps about the forwarding of a shop. The zero value is that of a new shop.
type State struct {
	Sessions uint64 // number of the newest session
	Term     uint64 // of the newest lease; 0: none was ever given
	Holder   crdt.TillID
	Session  uint64 // of the holder
	GivenMS  int64
	RenewMS  int64 // when it was given or renewed last
	UntilMS  int64
	Cursor   Cursor
}

// Cursor is what a holder said last about how far the cloud is.
type Cursor struct {
	Term       uint64 // in which it was said; 0: nothing ever was
	Till       crdt.TillID
	AtMS       int64
	Pending    uint64 // records the holder has that the cloud lacks
	CompleteMS int64  // when nothing was pending for the last time; 0: never yet
	Classes    []Class
}

// Class is the progress of one class of data, such as receipts or articles.
type Class struct {
	Name    string // at most 32 bytes
	Done    uint64 // records that arrived
	Total   uint64 // records there are; at least Done
	Pending uint64 // Total - Done as the till counts it
}

// Live reports whether somebody holds the lease at this time.
func (s State) Live(nowMS int64) bool { return s.Term > 0 && s.left(nowMS) > 0 }

// Lasting reports whether the state differs from an earlier one in more than the times of renewals. A server that alone serves
// a shop may keep a renewal in memory: if it is lost with the server, the next till that asks is given a new term a little early.
func (s State) Lasting(before State) bool {
	s.RenewMS, s.UntilMS, s.Cursor.AtMS = before.RenewMS, before.UntilMS, before.Cursor.AtMS
	if s.Cursor.Pending == 0 && before.Cursor.Pending == 0 {
		s.Cursor.CompleteMS = before.Cursor.CompleteMS
	}
	return !bytes.Equal(s.Encode(), before.Encode())
}

// left is how long the lease still holds. A clock that was set back does not make it longer than its life.
func (s State) left(nowMS int64) int64 { return max(0, min(s.UntilMS-nowMS, Life)) }

// Open numbers a new session of the shop; it is told to the till in the Welcome.
func (s *State) Open() (session uint64) {
	s.Sessions++
	return s.Sessions
}

// End notes that a session ended. If it held the lease, the next till that asks gets it at once.
func (s *State) End(session uint64, nowMS int64) {
	if s.Term > 0 && s.Session == session && s.Live(nowMS) {
		s.UntilMS = nowMS
	}
}

// stateVersion is that of the bytes of a State: [1, sessions, term, holder, session, given, renewed, until, cursor], where cursor
// is [term, till, at, pending, complete, classes] and each class [name, done, total, pending].
const stateVersion = 1

// Encode returns the bytes to keep, see DecodeState.
func (s State) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 9), stateVersion)
	b = codec.AppendUint(codec.AppendUint(b, s.Sessions), s.Term)
	b = codec.AppendUint(codec.AppendBytes(b, s.Holder[:]), s.Session)
	b = codec.AppendInt(codec.AppendInt(codec.AppendInt(b, s.GivenMS), s.RenewMS), s.UntilMS)
	c := s.Cursor
	b = codec.AppendBytes(codec.AppendUint(codec.AppendArray(b, 6), c.Term), c.Till[:])
	b = codec.AppendInt(codec.AppendUint(codec.AppendInt(b, c.AtMS), c.Pending), c.CompleteMS)
	return appendClasses(b, c.Classes)
}

func appendClasses(b []byte, classes []Class) []byte {
	b = codec.AppendArray(b, len(classes))
	for _, c := range classes {
		b = codec.AppendString(codec.AppendArray(b, 4), c.Name)
		b = codec.AppendUint(codec.AppendUint(codec.AppendUint(b, c.Done), c.Total), c.Pending)
	}
	return b
}

// DecodeState reads what Encode wrote; no bytes are the zero value. The error wraps [codec.ErrMalformed].
func DecodeState(b []byte) (State, error) {
	var s State
	if len(b) == 0 {
		return s, nil
	}
	if err := codec.Check(b); err != nil {
		return s, fmt.Errorf("read the lease: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(9)
	version(r, stateVersion)
	s.Sessions, s.Term = r.Uint(), r.Uint()
	r.Fixed(s.Holder[:])
	s.Session, s.GivenMS, s.RenewMS, s.UntilMS = r.Uint(), r.Int(), r.Int(), r.Int()
	inner := r.ArrayOf(6)
	s.Cursor.Term = r.Uint()
	r.Fixed(s.Cursor.Till[:])
	s.Cursor.AtMS, s.Cursor.Pending, s.Cursor.CompleteMS = r.Int(), r.Uint(), r.Int()
	s.Cursor.Classes = readClasses(r)
	r.Skip(inner)
	r.Skip(more)
	if err := r.Done(); err != nil {
		return State{}, fmt.Errorf("read the lease: %w", err)
	}
	return s, nil
}

func version(r *codec.Reader, known uint64) {
	if v := r.Uint(); r.Err() == nil && v != known {
		r.Fail("version %d, this program knows %d", v, known)
	}
}

func readClasses(r *codec.Reader) []Class {
	n := r.Array()
	if n > MaxClasses {
		r.Fail("%d classes, at most %d", n, MaxClasses)
	}
	var out []Class
	for ; n > 0 && r.Err() == nil; n-- {
		more := r.ArrayOf(4)
		c := Class{Name: string(r.StringBytes()), Done: r.Uint(), Total: r.Uint(), Pending: r.Uint()}
		r.Skip(more)
		if len(c.Name) > maxClass || c.Done > c.Total || c.Total > maxCount || c.Pending > maxCount {
			r.Fail("a class that cannot be")
		}
		out = append(out, c)
	}
	return out
}
