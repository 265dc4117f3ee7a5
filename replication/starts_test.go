package replication_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// activeOf makes tills that join starts; ended are replicas that nobody writes under.
func activeOf(ended *[]crdt.ReplicaID, active ...byte) func(*replication.Config) {
	return func(cfg *replication.Config) {
		cfg.AuditEvery = time.Hour
		cfg.Active = func() (list []crdt.TillID) {
			for _, n := range active {
				list = append(list, crdt.TillID{n})
			}
			return list
		}
		cfg.Ended = func() []crdt.ReplicaID { return *ended }
	}
}

// relink links tills that were started again with all others.
func (s *shopOf) relink(d *node) {
	for _, other := range s.nodes {
		if other != d {
			s.link(d, other)
		}
	}
	s.pass(3 * time.Second)
}

func runsOf(d *node) (runs int) {
	for _, list := range d.core.Context(crdt.Catalog) {
		runs += len(list)
	}
	return runs
}

// TestStartsAreJoined: after many starts of every till, contexts are one run per till everywhere, and stay so.
func TestStartsAreJoined(t *testing.T) {
	s := newShopWith(t, 3, activeOf(new([]crdt.ReplicaID), 1, 2, 3))
	s.linkAll()
	b := newBusiness(t)
	for range 8 {
		for _, d := range s.nodes {
			d.write(b.change(d))
			d.restart()
			s.relink(d)
			d.write(b.change(d))
		}
	}
	s.pass(3 * time.Second)
	require.Greater(t, runsOf(s.nodes[0]), 20)
	s.pass(4 * time.Hour)
	s.requireEqual()
	for _, d := range s.nodes {
		require.Equal(t, 3, runsOf(d), "%v", d.core.Context(crdt.Catalog))
		require.False(t, d.core.InDoubt())
		require.Zero(t, d.core.Stats().Repairs)
	}
	for _, d := range s.nodes {
		d.restart()
		s.relink(d)
		d.write(b.change(d))
	}
	s.pass(4 * time.Hour)
	s.requireEqual()
	require.Equal(t, 3, runsOf(s.nodes[2]))
}

// TestStartsAreNotJoinedWhileATillIsAway: it might hold what the others lack.
func TestStartsAreNotJoinedWhileATillIsAway(t *testing.T) {
	s := newShopWith(t, 2, activeOf(new([]crdt.ReplicaID), 1, 2, 7))
	s.linkAll()
	a := s.nodes[0]
	for range 3 {
		a.write(a.register(1, "x"))
		a.restart()
		s.relink(a)
	}
	a.write(a.register(1, "x"))
	s.pass(5 * time.Hour)
	require.Equal(t, 4, runsOf(a), "till 7 did not agree")
}

// TestStartsOfReplicasThatEnded: the active till with the lowest ID joins them, nobody else does.
func TestStartsOfReplicasThatEnded(t *testing.T) {
	old := crdt.ReplicaID{9}
	ended := new([]crdt.ReplicaID)
	s := newShopWith(t, 2, activeOf(ended, 1, 2))
	a, b := s.nodes[0], s.nodes[1]
	var prev *crdt.Commit
	for boot := range uint32(4) {
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: old, Seq: crdt.NewSeq(boot+1, 1)}, Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{byte(boot)}, Raw: []byte("x")}}}
		if prev != nil {
			c.Pred, c.Prev = prev.Dot.Seq, prev.Hash()
		}
		require.NoError(t, c.Seal())
		_, err := b.store.Apply(context.Background(), []replication.Op{{Commit: c}})
		require.NoError(t, err)
		prev = c
	}
	b.restart()
	s.linkAll()
	s.pass(4 * time.Hour)
	require.Equal(t, 4, runsOf(a), "it may still be written under")
	*ended = append(*ended, old)
	s.pass(2 * time.Hour)
	s.requireEqual()
	require.Equal(t, 1, runsOf(a))
}

// TestACommitBehindAJoinedGapStillArrives: a till that nobody counted on comes back with a commit that all others believe to
// be nothing. Contexts are equal, digests are not: the audit brings it to everyone.
func TestACommitBehindAJoinedGapStillArrives(t *testing.T) {
	s := newShopWith(t, 2, activeOf(new([]crdt.ReplicaID), 1, 2))
	a, b := s.nodes[0], s.nodes[1]
	a.write(a.register(1, "first"))
	a.restart()
	a.write(a.register(2, "second"))
	s.linkAll()
	s.pass(3 * time.Hour)
	require.Equal(t, 1, runsOf(b))
	// What the other store holds of the first start, although till 1 forgot it.
	lost := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a.replica, Seq: crdt.NewSeq(7, 2)}, Pred: crdt.NewSeq(7, 1), Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{77}, Raw: []byte("lost")}}}
	require.NoError(t, lost.Seal())
	require.True(t, a.core.Context(crdt.Catalog).Has(lost.Dot))
	_, err := b.store.Apply(context.Background(), []replication.Op{{Commit: lost}})
	require.NoError(t, err)
	b.restart()
	s.linkAll()
	s.pass(10 * time.Minute)
	s.requireEqual()
	o, err := a.store.Object(context.Background(), crdt.Key{Scope: crdt.Catalog, Type: "line", Object: crdt.ObjectID{77}})
	require.NoError(t, err)
	require.Len(t, o.Items, 1)
}
