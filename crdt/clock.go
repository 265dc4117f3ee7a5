package crdt

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Clock says which writes of a register a value knows: for every replica the highest sequence number, sorted by
// replica. It is what causality rests on; a wall clock is not. The zero value knows nothing.
type Clock []Dot

// Get returns the highest sequence number known of a replica, 0 if none.
func (c Clock) Get(r ReplicaID) Seq {
	if i, ok := c.find(r); ok {
		return c[i].Seq
	}
	return 0
}

// Covers reports whether the write named by the dot is known.
func (c Clock) Covers(d Dot) bool { return c.Get(d.Replica) >= d.Seq }

// CoversAll reports whether everything that other knows is known.
func (c Clock) CoversAll(other Clock) bool {
	for _, d := range other {
		if !c.Covers(d) {
			return false
		}
	}
	return true
}

// With returns a clock that also knows the dot. The receiver is not changed.
func (c Clock) With(d Dot) Clock {
	i, ok := c.find(d.Replica)
	if ok {
		if c[i].Seq >= d.Seq {
			return c
		}
		out := slices.Clone(c)
		out[i].Seq = d.Seq
		return out
	}
	out := make(Clock, 0, len(c)+1)
	return append(append(append(out, c[:i]...), d), c[i:]...)
}

// Join returns a clock that knows what either knows. Neither is changed.
func (c Clock) Join(other Clock) Clock {
	if len(c) == 0 {
		return other
	}
	for _, d := range other {
		c = c.With(d)
	}
	return c
}

// Equal reports whether both know the same.
func (c Clock) Equal(other Clock) bool { return slices.Equal(c, other) }

// valid reports whether the clock is sorted and without empty or double entries, as every clock made here is.
func (c Clock) valid() bool {
	for i, d := range c {
		if d.Seq == 0 || d.Replica.IsZero() || i > 0 && c[i-1].Replica.Compare(d.Replica) >= 0 {
			return false
		}
	}
	return true
}

func (c Clock) find(r ReplicaID) (int, bool) {
	return slices.BinarySearchFunc(c, r, func(d Dot, r ReplicaID) int { return d.Replica.Compare(r) })
}

// append writes the clock as a flat array replica, seq, replica, seq, ... without the entry of the replica named by
// except: in a register piece that entry is the piece's own dot, which the commit already states.
func (c Clock) append(b []byte, except ReplicaID) []byte {
	n := len(c)
	if _, ok := c.find(except); ok {
		n--
	}
	b = codec.AppendArray(b, 2*n)
	for _, d := range c {
		if d.Replica != except {
			b = codec.AppendUint(codec.AppendBytes(b, d.Replica[:]), uint64(d.Seq))
		}
	}
	return b
}

func readClock(r *codec.Reader) Clock {
	n := r.Array()
	if n%2 != 0 {
		r.Fail("a clock of %d values", n)
		return nil
	}
	if n == 0 {
		return nil
	}
	if n/2*18 > r.Rest() {
		r.Fail("a clock of %d entries in %d bytes", n/2, r.Rest())
		return nil
	}
	c := make(Clock, 0, n/2+1)
	for range n / 2 {
		var d Dot
		r.Fixed(d.Replica[:])
		d.Seq = Seq(r.Uint())
		if r.Err() != nil {
			return nil
		}
		c = append(c, d)
	}
	if !c.valid() {
		r.Fail("a clock that is not sorted or has an empty entry")
		return nil
	}
	return c
}
