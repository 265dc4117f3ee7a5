package crdt

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Interval is a run of commits of one replica: all there are with After < Seq <= To.
//
// A commit names its predecessor, so it covers (predecessor, seq]: there is nothing between the two. Runs that touch
// become one. The first commit of a start covers only itself, so a healthy replica is one interval per start.
type Interval struct{ After, To Seq }

// Context is the set of commits whose effect a store holds, or what superseded them. It is bookkeeping for
// replication and never decides what a value is. Intervals of a replica are sorted and do not touch.
// The zero value is empty and may be read; use make before adding.
type Context map[ReplicaID][]Interval

// Has reports whether the commit is in the set.
func (c Context) Has(d Dot) bool {
	_, found := slices.BinarySearchFunc(c[d.Replica], d.Seq, func(iv Interval, s Seq) int {
		switch {
		case s <= iv.After:
			return 1
		case s > iv.To:
			return -1
		}
		return 0
	})
	return found
}

// Add adds a run and reports whether the set grew.
func (c Context) Add(r ReplicaID, iv Interval) bool {
	if iv.After >= iv.To {
		return false
	}
	list := c[r]
	// The common case: the run continues or follows the last one.
	if n := len(list); n == 0 || list[n-1].To < iv.After {
		c[r] = append(list, iv)
		return true
	} else if list[n-1].To == iv.After {
		list[n-1].To = iv.To
		return true
	}
	from := 0
	for from < len(list) && list[from].To < iv.After {
		from++
	}
	to := from
	for to < len(list) && list[to].After <= iv.To {
		iv.After, iv.To = min(iv.After, list[to].After), max(iv.To, list[to].To)
		to++
	}
	if to-from == 1 && list[from] == iv {
		return false
	}
	c[r] = slices.Replace(list, from, to, iv)
	return true
}

// AddAll adds every commit of other and reports whether the set grew.
func (c Context) AddAll(other Context) bool {
	grew := false
	for r, list := range other {
		if len(list) > manyRuns && len(c[r]) > manyRuns {
			// One by one, each run would move all those behind it.
			same, _ := slices.BinarySearchFunc(c[r], list[0].After, func(run Interval, after Seq) int { return cmp.Compare(run.To, after) })
			rest := union(c[r][same:], list)
			grew = grew || !slices.Equal(rest, c[r][same:])
			c[r] = append(c[r][:same], rest...)
			continue
		}
		for _, iv := range list {
			grew = c.Add(r, iv) || grew
		}
	}
	return grew
}

// manyRuns is from how many runs on two lists are merged as a whole.
const manyRuns = 16

// union returns the runs of both lists, in one pass over them.
func union(a, b []Interval) []Interval {
	out := make([]Interval, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		if len(a) == 0 || len(b) > 0 && b[0].After < a[0].After {
			a, b = b, a
		}
		iv := a[0]
		a = a[1:]
		if n := len(out); n > 0 && out[n-1].To >= iv.After {
			out[n-1].To = max(out[n-1].To, iv.To)
			continue
		}
		out = append(out, iv)
	}
	return out
}

// Minus returns what is in c and not in other.
func (c Context) Minus(other Context) Context {
	out := make(Context)
	for r, list := range c {
		if left := minus(list, other[r]); len(left) > 0 {
			out[r] = left
		}
	}
	return out
}

func minus(list, cut []Interval) []Interval {
	var out []Interval
	j := 0
	for _, iv := range list {
		for j < len(cut) && cut[j].To <= iv.After {
			j++
		}
		for k := j; k < len(cut) && cut[k].After < iv.To && iv.After < iv.To; k++ {
			if cut[k].After > iv.After {
				out = append(out, Interval{iv.After, cut[k].After})
			}
			iv.After = max(iv.After, cut[k].To)
		}
		if iv.After < iv.To {
			out = append(out, iv)
		}
	}
	return out
}

// And returns what is in both.
func (c Context) And(other Context) Context { return c.Minus(c.Minus(other)) }

// Covers reports whether everything in other is in c.
func (c Context) Covers(other Context) bool {
	for r, list := range other {
		if len(minus(list, c[r])) > 0 {
			return false
		}
	}
	return true
}

// CoversRun reports whether a whole run is in the set.
func (c Context) CoversRun(r ReplicaID, iv Interval) bool {
	if iv.After >= iv.To {
		return true
	}
	// Runs do not touch, so all of it is in one of them or it is not covered.
	list := c[r]
	if n := len(list); n == 0 || list[n-1].To < iv.To {
		return false
	}
	i, _ := slices.BinarySearchFunc(list, iv.To, func(run Interval, to Seq) int { return cmp.Compare(run.To, to) })
	return list[i].After <= iv.After
}

// Equal reports whether both hold the same commits.
func (c Context) Equal(other Context) bool {
	return len(c) == len(other) && maps.EqualFunc(c, other, slices.Equal[[]Interval])
}

// Clone returns a copy that shares nothing.
func (c Context) Clone() Context {
	out := make(Context, len(c))
	for r, list := range c {
		out[r] = slices.Clone(list)
	}
	return out
}

// Last returns the highest sequence number of a replica, 0 if there is none.
func (c Context) Last(r ReplicaID) Seq {
	if list := c[r]; len(list) > 0 {
		return list[len(list)-1].To
	}
	return 0
}

// Replicas returns the replicas in the order of their bytes.
func (c Context) Replicas() []ReplicaID {
	return slices.SortedFunc(maps.Keys(c), ReplicaID.Compare)
}

// String lists the runs for log lines and traces.
func (c Context) String() string {
	var b strings.Builder
	for _, r := range c.Replicas() {
		fmt.Fprintf(&b, "%s", r.String()[:8])
		for _, iv := range c[r] {
			fmt.Fprintf(&b, " (%v,%v]", iv.After, iv.To)
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// Hash returns a hash over the set that two stores with the same commits share.
func (c Context) Hash() [16]byte {
	sum := sha256.Sum256(c.Append(nil))
	return [16]byte(sum[:16])
}

// Append appends the wire form: an array with one element per replica, sorted, each an array of the replica and then
// the runs as pairs: distance of After from the end of the run before (from 0 for the first), length of the run.
func (c Context) Append(b []byte) []byte {
	b = codec.AppendArray(b, len(c))
	for _, r := range c.Replicas() {
		b = AppendIntervals(codec.AppendBytes(codec.AppendArray(b, 2), r[:]), c[r])
	}
	return b
}

// AppendIntervals appends the runs of one replica as [Context.Append] does.
func AppendIntervals(b []byte, list []Interval) []byte {
	b = codec.AppendArray(b, 2*len(list))
	at := Seq(0)
	for _, iv := range list {
		b = codec.AppendUint(b, uint64(iv.After-at))
		b = codec.AppendUint(b, uint64(iv.To-iv.After))
		at = iv.To
	}
	return b
}

// ReadContext reads the wire form.
func ReadContext(r *codec.Reader) Context {
	n := r.Array()
	if n*20 > r.Rest() {
		r.Fail("a context of %d replicas in %d bytes", n, r.Rest())
		return nil
	}
	c := make(Context, n)
	var last ReplicaID
	for i := range n {
		more := r.ArrayOf(2)
		var id ReplicaID
		r.Fixed(id[:])
		list := ReadIntervals(r)
		r.Skip(more)
		if r.Err() != nil {
			return nil
		}
		if i > 0 && last.Compare(id) >= 0 || len(list) == 0 {
			r.Fail("a context that is not sorted or has an empty entry")
			return nil
		}
		c[id], last = list, id
	}
	return c
}

// ReadIntervals reads what [AppendIntervals] wrote.
func ReadIntervals(r *codec.Reader) []Interval {
	n := r.Array()
	if n%2 != 0 {
		r.Fail("runs of %d values", n)
		return nil
	}
	list := make([]Interval, 0, n/2)
	at := Seq(0)
	for i := range n / 2 {
		gap, length := Seq(r.Uint()), Seq(r.Uint())
		after := at + gap
		to := after + length
		if r.Err() != nil {
			return nil
		}
		if i > 0 && gap == 0 || length == 0 || after < at || to <= after {
			r.Fail("runs that are empty, touch or overflow")
			return nil
		}
		list = append(list, Interval{after, to})
		at = to
	}
	return list
}
