package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// FuzzOpen puts any bytes in the place of any row: the store refuses to open, or what is read of it, in order and saved
// row by row, is refused or served.
func FuzzOpen(f *testing.F) {
	h := newHistory(1)
	r := memory.New()
	s, err := store.Open(ctx, r)
	require.NoError(f, err)
	for _, c := range h.commits {
		_, err := s.Apply(ctx, applyOps(c))
		require.NoError(f, err)
	}
	all, err := r.Scan(ctx, nil, nil, 10_000, 0)
	require.NoError(f, err)
	kinds := make(map[byte]int)
	for i, row := range all {
		if kinds[row.Key[0]]++; kinds[row.Key[0]] < 3 {
			f.Add(uint16(i), row.Key, row.Value)
			f.Add(uint16(i), row.Key, row.Value[:len(row.Value)/2])
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, key, value []byte) {
		if rows.CheckKeys([][]byte{key}) != nil {
			return
		}
		spoiled := memory.New()
		batch := []rows.Write{{Key: key, Value: value}}
		for i, row := range all {
			if i != int(which)%len(all) {
				batch = append(batch, rows.Write{Key: row.Key, Value: row.Value})
			}
		}
		require.NoError(t, spoiled.Commit(ctx, batch))
		if s, err := store.Open(ctx, spoiled); err == nil {
			for scope := range s.Contexts() {
				_, _ = s.Recount(ctx, scope) // it may be refused; it must not break
			}
			_, _ = s.Identity(ctx)
		}
		into, err := store.Open(ctx, memory.New())
		require.NoError(t, err)
		_, err = store.Salvage(ctx, store.Readable(spoiled), into, nil)
		require.NoError(t, err)
	})
}
