package badger_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// batches returns a function that makes a new batch of 200-byte values under new keys.
func batches(size int) func() []rows.Write {
	batch := make([]rows.Write, size)
	for i := range batch {
		batch[i] = rows.Write{Key: make([]byte, 32), Value: make([]byte, 200)}
		batch[i].Key[0] = 'k'
	}
	n := uint64(0)
	return func() []rows.Write {
		for i := range batch {
			n++
			binary.BigEndian.PutUint64(batch[i].Key[24:], n)
			binary.BigEndian.PutUint64(batch[i].Value, n*0x9e3779b97f4a7c15)
		}
		return batch
	}
}

// BenchmarkCommit measures a commit, and beside it the floor: Badger alone, synced, with our options and with its own.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 4, 256} {
		b.Run(fmt.Sprintf("store/rows=%d", size), func(b *testing.B) {
			store, err := open(b.TempDir())
			require.NoError(b, err)
			next, ctx := batches(size), context.Background()
			for b.Loop() {
				if err := store.Commit(ctx, next()); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, store.Close())
		})
		for name, options := range map[string]bdgr.Options{
			"floor-till": badger.BadgerOptions(badger.Options{}), "floor-default": bdgr.DefaultOptions("").WithSyncWrites(true),
		} {
			b.Run(fmt.Sprintf("%s/rows=%d", name, size), func(b *testing.B) {
				dir := b.TempDir()
				db, err := bdgr.Open(options.WithDir(dir).WithValueDir(dir).WithLogger(nil))
				require.NoError(b, err)
				next := batches(size)
				for b.Loop() {
					txn := db.NewTransaction(true)
					for _, w := range next() {
						if err := txn.Set(w.Key, w.Value); err != nil {
							b.Fatal(err)
						}
					}
					if err := txn.Commit(); err != nil {
						b.Fatal(err)
					}
				}
				require.NoError(b, db.Close())
			})
		}
	}
}

// BenchmarkScan reads 100,000 rows of 232 bytes in parts of 1 MiB.
func BenchmarkScan(b *testing.B) {
	store, err := open(b.TempDir())
	require.NoError(b, err)
	ctx, next := context.Background(), batches(1000)
	for range 100 {
		require.NoError(b, store.Commit(ctx, next()))
	}
	b.ReportAllocs()
	for b.Loop() {
		var from []byte
		n := 0
		for {
			found, err := store.Scan(ctx, from, nil, 1_000_000, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			n += len(found)
			from = rows.Next(found[len(found)-1].Key)
		}
		require.Equal(b, 100_000, n)
	}
	require.NoError(b, store.Close())
}

// BenchmarkLoad reads 1 and 100 of 100,000 rows.
func BenchmarkLoad(b *testing.B) {
	store, err := open(b.TempDir())
	require.NoError(b, err)
	ctx, next := context.Background(), batches(1000)
	for range 100 {
		require.NoError(b, store.Commit(ctx, next()))
	}
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			n := uint64(0)
			keys := make([][]byte, size)
			for b.Loop() {
				for i := range keys {
					n += 7919
					keys[i] = make([]byte, 32)
					keys[i][0] = 'k'
					binary.BigEndian.PutUint64(keys[i][24:], n%100_000+1)
				}
				if _, err := store.Load(ctx, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	require.NoError(b, store.Close())
}
