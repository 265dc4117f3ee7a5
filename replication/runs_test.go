package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// joining returns what a till holds in the middle of a join: a run for each receipt.
func joining(receipts int) crdt.Context {
	runs := make([]crdt.Interval, receipts)
	for i := range runs {
		to := crdt.NewSeq(5, uint32(4*i+4))
		runs[i] = crdt.Interval{After: to - 1, To: to}
	}
	return crdt.Context{crdt.ReplicaID{9}: runs, crdt.ReplicaID{8}: {{To: 7}}}
}

// midJoin starts a core that holds so much, linked with a peer that the test plays.
func midJoin(t *testing.T, receipts int) (s *shopOf, d *node, id replication.LinkID, p *peer) {
	t.Helper()
	s = newShopWith(t, 1, func(c *replication.Config) { c.Contexts = map[crdt.Scope]crdt.Context{crdt.Sales: joining(receipts)} })
	d = s.nodes[0]
	id, p = s.stranger(d, crdt.TillID{9})
	s.greet(d, id)
	s.run()
	return s, d, id, p
}

// requireSent encodes everything that was sent, as an engine does.
func requireSent(t *testing.T, p *peer) {
	t.Helper()
	enc, err := wire.NewEncoder()
	require.NoError(t, err)
	for _, m := range p.got {
		_, err := enc.Append(nil, m, false)
		require.NoError(t, err)
	}
}

func lastOf[M wire.Message](t *testing.T, p *peer) (m M) {
	t.Helper()
	for i := len(p.got) - 1; i >= 0; i-- {
		if m, ok := p.got[i].(M); ok {
			return m
		}
	}
	t.Fatalf("no %T was sent", m)
	return m
}

// TestAContextTooLongForAFrame is told in part, the newest of it, and lets nobody claim.
func TestAContextTooLongForAFrame(t *testing.T) {
	const receipts = 900_000
	s, d, id, p := midJoin(t, receipts)
	require.NoError(t, d.core.Receive(s.now, id, &wire.Scopes{List: []wire.ScopeState{{Scope: crdt.Catalog, Context: [16]byte{1}}}}))
	s.run()
	told := lastOf[*wire.Context](t, p)
	held := d.core.Context(crdt.Sales)
	require.True(t, told.Full)
	require.Equal(t, told.Entries.Hash(), told.Hash)
	require.True(t, held.Covers(told.Entries))
	require.Equal(t, held.Last(crdt.ReplicaID{9}), told.Entries.Last(crdt.ReplicaID{9}))
	require.Equal(t, held[crdt.ReplicaID{8}], told.Entries[crdt.ReplicaID{8}])
	require.Greater(t, len(told.Entries[crdt.ReplicaID{9}]), 500_000, "no less than it has to be")

	require.NoError(t, d.core.Receive(s.now, id, &wire.Pull{ID: 1, Scope: crdt.Sales, Want: crdt.Context{crdt.ReplicaID{8}: {{To: 7}}}}))
	s.run()
	end := lastOf[*wire.End](t, p)
	require.False(t, end.Complete, "what superseded the rest may be in what was not told")
	requireSent(t, p)
}

// TestAQuestionTooLongForAFrame: a till that was stopped in the middle of a join misses what is between the receipts it
// holds. It asks for more than that, and all that it misses is in it.
func TestAQuestionTooLongForAFrame(t *testing.T) {
	for _, receipts := range []int{1000, 900_000} {
		s, d, id, p := midJoin(t, receipts)
		whole := crdt.Context{crdt.ReplicaID{9}: {{To: crdt.NewSeq(5, uint32(4*receipts+4))}}, crdt.ReplicaID{8}: {{To: 7}}}
		require.NoError(t, d.core.Receive(s.now, id, &wire.Context{Scope: crdt.Sales, Full: true, Entries: whole, Hash: whole.Hash()}))
		s.run()
		want := lastOf[*wire.Pull](t, p).Want
		missing := whole.Minus(d.core.Context(crdt.Sales))
		require.True(t, want.Covers(missing))
		require.True(t, whole.Covers(want))
		require.Equal(t, receipts == 1000, want.Equal(missing), "no more than it has to be")
		requireSent(t, p)

		end := &wire.End{Pull: lastOf[*wire.Pull](t, p).ID, Complete: true, Covers: want, Hash: whole.Hash()}
		require.NoError(t, d.core.Receive(s.now, id, end))
		s.run()
		require.True(t, whole.Equal(d.core.Context(crdt.Sales)), "it claims all of it")
		require.EqualValues(t, 1, d.core.Stats().Claims)
	}
}

// TestATillThatTellsOfVeryMuch is no enemy: it joins. What is remembered of it is bounded, and never too much is believed.
func TestATillThatTellsOfVeryMuch(t *testing.T) {
	s := newShop(t, 1)
	d := s.nodes[0]
	id, _ := s.stranger(d, crdt.TillID{9})
	s.greet(d, id)
	all := joining(1_200_000)[crdt.ReplicaID{9}]
	for len(all) > 0 {
		n := min(len(all), 200_000)
		have := crdt.Context{crdt.ReplicaID{9}: all[:n]}
		require.NoError(t, d.core.Receive(s.now, id, &wire.Have{Scope: crdt.Sales, Entries: have}))
		dot := crdt.Dot{Replica: crdt.ReplicaID{9}, Seq: all[n-1].To}
		require.Equal(t, []crdt.TillID{{9}}, d.core.Holders(crdt.Sales, dot), "what it said last is known")
		require.Empty(t, d.core.Holders(crdt.Sales, crdt.Dot{Replica: dot.Replica, Seq: dot.Seq - 1}))
		all = all[n:]
	}
	tooMuch := joining(1_100_000)
	err := d.core.Receive(s.now, id, &wire.Context{Scope: crdt.Sales, Full: true, Entries: tooMuch, Hash: tooMuch.Hash()})
	require.ErrorIs(t, err, replication.ErrProtocol, "nobody has to tell so much at once")
}
