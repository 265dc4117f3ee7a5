package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// What is taken over stands beside own changes in one batch; one of these that is refused takes none of it along.
func TestTakenOverBesideARefusedChange(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	stale := a.register(1, "read before all else")
	a.write(a.register(1, "own"))
	b.write(b.register(1, "foreign"))
	a.write(a.register(1, "own again"))
	var list []*crdt.Commit
	for i := range uint32(3) {
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: crdt.ReplicaID{77}, Seq: crdt.NewSeq(3, i+1)}, Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{7, byte(i)}, Raw: []byte{0x80}}}}
		require.NoError(t, c.Seal())
		list = append(list, c)
	}
	before := a.core.TakeOver(list[:2], nil)
	refused := a.core.Propose(stale)
	after := a.core.TakeOver(list[2:], []replication.Note{{Key: "recovered/x", Value: []byte("who")}})
	s.run()
	require.ErrorIs(t, a.results[refused].Err, replication.ErrStale)
	for i, ticket := range append(before, after...) {
		require.NoError(t, a.results[ticket].Err)
		require.Equal(t, list[i], a.results[ticket].Commit)
	}
	notes, err := a.store.Notes(t.Context(), "recovered/x")
	require.NoError(t, err)
	require.Equal(t, []byte("who"), notes[0])
	s.pass(5 * time.Second)
	s.requireEqual()
	for _, c := range list {
		require.True(t, b.store.Contexts()[crdt.Catalog].Has(c.Dot), "the other till pulled it")
	}
	require.Zero(t, a.core.Waiting())
}
