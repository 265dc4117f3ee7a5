package replication

import (
	"cmp"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// A till that joins a shop with a past holds a run for each settled receipt until it may claim what is between them, and
// such a context may be too long for a frame. Then it is told in part, and what is asked for is widened: see DESIGN.md.
const (
	maxContext = 3 << 19                // bytes of runs in one Context or Pull: at most 786,432 runs
	maxCovers  = wire.MaxFrame - 64<<10 // in an End: it is what two such lists have in common
)

// runsOf returns about how many runs a context has, for bounds of memory.
func runsOf(c crdt.Context) (n int) {
	for _, list := range c {
		n += 1 + len(list)
	}
	return n
}

// most is the most that a run takes in a message, and a replica beside its runs.
const most = 18

// sizeOf returns the bytes of runs in a message.
func sizeOf(list []crdt.Interval) int {
	size, at := 2*most, crdt.Seq(0)
	for _, iv := range list {
		size += sizeOfUint(uint64(iv.After-at)) + sizeOfUint(uint64(iv.To-iv.After))
		at = iv.To
	}
	return size
}

func sizeOfUint(v uint64) int {
	switch {
	case v < 1<<7:
		return 1
	case v < 1<<8:
		return 2
	case v < 1<<16:
		return 3
	case v < 1<<32:
		return 5
	}
	return 9
}

// fits reports whether a context takes at most so many bytes.
func fits(c crdt.Context, limit int) bool {
	if 2*most*runsOf(c) <= limit {
		return true
	}
	size := 0
	for _, list := range c {
		size += sizeOf(list)
	}
	return size <= limit
}

// newest returns a part of a context that fits: of replicas with many runs the last ones. It shares them.
func newest(c crdt.Context, limit int) crdt.Context {
	replicas := c.Replicas()
	slices.SortStableFunc(replicas, func(a, b crdt.ReplicaID) int { return cmp.Compare(len(c[a]), len(c[b])) })
	out := make(crdt.Context, len(c))
	for i, r := range replicas {
		share, list := limit/(len(replicas)-i), c[r]
		for skip := 1; len(list) > 0 && sizeOf(list) > share; skip *= 2 {
			list = list[min(len(list), max(skip, len(list)/16)):]
		}
		if len(list) > 0 {
			out[r] = list
			limit -= sizeOf(list)
		}
	}
	return out
}

// widened returns a context that fits and contains c: runs that are neighbours become one, with what is between them.
func widened(c crdt.Context, limit int) crdt.Context {
	for together := 2; !fits(c, limit); together *= 2 {
		wide := make(crdt.Context, len(c))
		for r, list := range c {
			for part := range slices.Chunk(list, together) {
				wide[r] = append(wide[r], crdt.Interval{After: part[0].After, To: part[len(part)-1].To})
			}
		}
		if runsOf(wide) == runsOf(c) {
			return wide // a run for each replica: nothing is left to join
		}
		c = wide
	}
	return c
}
