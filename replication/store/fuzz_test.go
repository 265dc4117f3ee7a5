package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// A damaged row is an error, never a panic, and one that reads is written so that it reads as the same.
func FuzzObjectRow(f *testing.F) {
	h := newHistory(1)
	r := memory.New()
	s, err := store.Open(ctx, r)
	require.NoError(f, err)
	for _, c := range h.commits {
		_, err := s.Apply(ctx, applyOps(c))
		require.NoError(f, err)
	}
	got, err := r.Scan(ctx, []byte{'o'}, []byte{'y'}, 100, 0)
	require.NoError(f, err)
	for _, row := range got {
		f.Add(row.Value)
	}
	f.Add(store.EmptyObjectRow())
	f.Fuzz(func(t *testing.T, row []byte) {
		again, err := store.ObjectRow(row)
		if err != nil || again == nil {
			return
		}
		third, err := store.ObjectRow(again)
		require.NoError(t, err)
		require.Equal(t, again, third)
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(store.Record{Boot: 3, Confirmed: store.Marks{Scopes: map[crdt.Scope]crdt.Seq{crdt.Sales: 7}, Series: map[string]uint64{"K1": 9}}}.Encode())
	f.Add(store.AppendSeries(nil, 418, crdt.Hash{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec, err := store.DecodeRecord(b); err == nil {
			again, err := store.DecodeRecord(rec.Encode())
			require.NoError(t, err)
			require.Equal(t, rec, again)
		}
		if n, hash, err := store.ReadSeries(b); err == nil {
			m, same, err := store.ReadSeries(store.AppendSeries(nil, n, hash))
			require.NoError(t, err)
			require.True(t, n == m && hash == same)
		}
		_, _ = store.IdentityRow(b)
	})
}
