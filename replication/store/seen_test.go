package store

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// TestAFilterDeniesOnlyWhatItNeverMet: also after it grew, and it seldom believes to know what it does not.
func TestAFilterDeniesOnlyWhatItNeverMet(t *testing.T) {
	s := newSeen()
	key := func(n int) (k crdt.Key) {
		k.Scope, k.Type = crdt.Sales, "line"
		binary.BigEndian.PutUint32(k.Object[:], uint32(n))
		return k
	}
	const many = 400_000
	wrong := 0
	for n := range many {
		if s.add(key(n)) {
			wrong++
		}
	}
	require.Less(t, wrong, many/20)
	require.Len(t, s.parts, 3)
	for n := range many {
		require.True(t, s.add(key(n)))
	}
}
