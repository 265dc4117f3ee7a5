package store

import (
	"hash/maphash"

	"github.com/tillmesh/tillmesh/crdt"
)

// A filter begins with 2 KiB, since a cloud has one for each scope of each new shop. Each part is filled with an object for ten
// bits, with which about 1 in 60 of new objects is looked up in vain; the next one has sixteen times as many. All four take 8.9 MB,
// for 7.1 million objects: a join of 1.4 million settled receipts with what they list. A filter that is full costs nothing but its
// memory.
const (
	seenBits  = 1 << 14
	seenTimes = 4 // as a power of two
	seenParts = 4
	seenEach  = 10
)

// seen is a Bloom filter over the objects of a scope that may have a row. It exists only for a scope of which the store
// held nothing when it was opened, and so knows all of them: what it never met is not looked up, which is most of the
// work of a join.
type seen struct {
	seed  maphash.Seed
	parts [][]uint64
	room  int // for so many objects in the last part
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed()} }

// add notes an object and reports whether it may have been noted before.
func (s *seen) add(k crdt.Key) bool {
	h := maphash.Comparable(s.seed, k)
	for _, part := range s.parts {
		if note(part, h, false) {
			return true
		}
	}
	if s.room == 0 && len(s.parts) < seenParts {
		bits := seenBits << (seenTimes * len(s.parts))
		s.parts, s.room = append(s.parts, make([]uint64, bits/64)), bits/seenEach
	}
	s.room = max(0, s.room-1)
	note(s.parts[len(s.parts)-1], h, true)
	return false
}

// note reports whether all bits of a hash are set, and sets them if set is.
func note(part []uint64, h uint64, set bool) bool {
	// Three places out of one hash: it is taken apart, and put together anew by steps that are odd.
	at, step, mask := h, h>>32|1, uint64(len(part)*64-1)
	before := true
	for range 3 {
		word, bit := &part[at&mask/64], uint64(1)<<(at&63)
		before = before && *word&bit != 0
		if set {
			*word |= bit
		}
		at += step
	}
	return before
}

// mayHold notes an object that is about to be written and reports whether the store may hold a row of it. Apply calls
// it for every object before anything is written, so what it denies was never there.
func (s *Store) mayHold(k crdt.Key) bool {
	filter, known := s.seen[k.Scope]
	if !known {
		if len(s.contexts[k.Scope]) == 0 { // every commit grows the context in the transaction that writes its rows
			filter = newSeen()
		}
		s.seen[k.Scope] = filter
	}
	return filter == nil || filter.add(k)
}
