package store

import (
	"hash/maphash"

	"github.com/tillmesh/tillmesh/crdt"
)

// seenBits is the size of a filter: 128 KiB, with which about 1 in 70 of 100,000 new objects is looked up in vain. A
// filter that is full costs nothing but its memory.
const seenBits = 1 << 20

// seen is a Bloom filter over the objects of a scope that may have a row. It exists only for a scope of which the store
// held nothing when it was opened, and so knows all of them: what it never met is not looked up, which is most of the
// work of a join.
type seen struct {
	seed maphash.Seed
	bits [seenBits / 64]uint64
}

// add notes an object and reports whether it may have been noted before.
func (s *seen) add(k crdt.Key) bool {
	h := maphash.Comparable(s.seed, k)
	before := true
	for range 3 {
		at := h % seenBits
		word, bit := &s.bits[at/64], uint64(1)<<(at%64)
		before = before && *word&bit != 0
		*word |= bit
		h >>= 21
	}
	return before
}

// mayHold notes an object that is about to be written and reports whether the store may hold a row of it. Apply calls
// it for every object before anything is written, so what it denies was never there.
func (s *Store) mayHold(k crdt.Key) bool {
	filter, known := s.seen[k.Scope]
	if !known {
		if len(s.contexts[k.Scope]) == 0 { // every commit grows the context in the transaction that writes its rows
			filter = &seen{seed: maphash.MakeSeed()}
		}
		s.seen[k.Scope] = filter
	}
	return filter == nil || filter.add(k)
}
