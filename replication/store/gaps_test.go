package store_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// largest notes the largest row that is written.
type largest struct {
	rows.Store
	bytes int
}

// Commit is a method of rows.Store.
func (l *largest) Commit(ctx context.Context, writes []rows.Write) error {
	for i := range writes {
		l.bytes = max(l.bytes, len(writes[i].Value))
	}
	return l.Store.Commit(ctx, writes)
}

// TestAJoinWithAGapAfterEveryCommit: whoever joins a shop gets the receipts and not the tabs they superseded, so until the
// claim at the end every receipt is a run of its own. GAPS says how many, 20,000 if it is not set.
func TestAJoinWithAGapAfterEveryCommit(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("GAPS"))
	if err != nil {
		n = 20_000
	}
	const batch = 500
	r, _, err := badger.Open(badger.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	seen := &largest{Store: r}
	st, err := store.Open(t.Context(), seen)
	require.NoError(t, err)
	replica := crdt.ReplicaID{1}
	began := time.Now()
	var ops []replication.Op
	claim := make(crdt.Context)
	for i := range n {
		seq := crdt.NewSeq(200_000_000, uint32(2*i+2))
		c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: replica, Seq: seq}, Pred: seq - 1, Prev: crdt.Hash{1}, Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{byte(i), byte(i >> 8), byte(i >> 16)}, Raw: make([]byte, 900)}}}
		require.NoError(t, c.Seal())
		claim.Add(replica, crdt.Interval{After: seq - 2, To: seq - 1})
		if ops = append(ops, replication.Op{Commit: c}); len(ops) == batch || i == n-1 {
			_, err := st.Apply(t.Context(), ops)
			require.NoError(t, err)
			ops = nil
		}
	}
	pulled := time.Since(began)
	require.Len(t, st.Contexts()[crdt.Sales][replica], n)
	began = time.Now()
	_, err = st.Apply(t.Context(), []replication.Op{{Claim: &replication.Claim{Scope: crdt.Sales, Context: claim}}})
	require.NoError(t, err)
	t.Logf("%d commits in %v, largest row %d bytes, claimed in %v", n, pulled, seen.bytes, time.Since(began))
	require.Len(t, st.Contexts()[crdt.Sales][replica], 1)
	again, err := store.Open(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, st.Contexts(), again.Contexts())
}
