package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// foreign are commits of a till that is in no shop of the test.
func foreign(t *testing.T, n int) []*crdt.Commit {
	t.Helper()
	var out []*crdt.Commit
	pred, prev := crdt.Seq(0), crdt.Hash{}
	for i := range n {
		c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{99}, Seq: crdt.NewSeq(7, uint32(i+1))}, Pred: pred, Prev: prev, Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{9, byte(i)}, Raw: []byte{0x80}}}}
		require.NoError(t, c.Seal())
		pred, prev = c.Dot.Seq, c.Hash()
		out = append(out, c)
	}
	return out
}

// What is taken over is durable with its note, seen like any foreign commit, and reaches the other tills.
func TestTakenOverCommitsReachEveryTill(t *testing.T) {
	tills := start(t, 2, nil)
	join(t, tills[0], tills[1])
	list := foreign(t, 20)
	note := replication.Note{Key: "recovered/x", Value: []byte("who")}
	require.NoError(t, tills[0].engine.TakeOver(t.Context(), nil, nil))
	require.NoError(t, tills[0].engine.TakeOver(t.Context(), list, []replication.Note{note}))
	require.Equal(t, 20, tills[0].took(), "Applied saw them before it returned")
	notes, err := tills[0].store.Notes(t.Context(), note.Key)
	require.NoError(t, err)
	require.Equal(t, [][]byte{note.Value}, notes)
	require.Eventually(t, func() bool { return tills[1].took() == 20 && equal(tills...) }, 5*time.Second, time.Millisecond)
	raw, err := tills[1].store.ByDot(t.Context(), crdt.Sales, []crdt.Dot{list[3].Dot})
	require.NoError(t, err)
	require.Equal(t, [][]byte{list[3].Bytes()}, raw)
	require.NoError(t, tills[0].engine.TakeOver(t.Context(), list, nil), "again")
	require.Equal(t, 20, tills[0].took(), "and nothing new")
	require.Zero(t, tills[0].engine.State().Stats.CommitsOwn)
}

func TestNothingIsTakenOverAfterTheEnd(t *testing.T) {
	st, err := store.Open(t.Context(), memory.New())
	require.NoError(t, err)
	core := replication.NewCore(replication.Config{Shop: crdt.ShopID{1}, Till: crdt.TillID{1}, Replica: crdt.ReplicaID{1}, Boot: 1, Roster: anyone{}})
	e := engine.New(engine.Config{Core: core, Store: st, Log: slog.New(slog.DiscardHandler)})
	waiting, enough := context.WithTimeout(t.Context(), time.Millisecond)
	defer enough()
	require.ErrorIs(t, e.TakeOver(waiting, foreign(t, 1), nil), context.DeadlineExceeded, "nobody writes yet")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, e.Run(ctx))
	require.ErrorIs(t, e.TakeOver(t.Context(), foreign(t, 1), nil), engine.ErrStopped)
}
