package database_test

import (
	"context"
	stdsql "database/sql"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// BenchmarkStore compares the store with what the database does by itself with the same bytes: "insert" writes the same
// rows to the same table in as many transactions, with the statement that is fastest for it, and asks nothing else. One
// operation is one durable transaction of some rows of 200 bytes; so many shops write at once.
//
// PostgreSQL runs on the same machine over a socket, and syncs, as SQLite does.
func BenchmarkStore(b *testing.B) {
	for _, e := range []databasetest.Engine{{Name: "sqlite", New: databasetest.SQLite}, {Name: "postgres", New: func(t testing.TB) database.Options {
		return database.Options{DSN: databasetest.Start(t, "fsync=on", "shared_buffers=128MB", "max_wal_size=4GB").Database(t)}
	}}} {
		for _, shops := range []int{1, 16, 100} {
			for _, size := range []int{8, 256} {
				if shops > 1 && size > 8 {
					continue
				}
				name := fmt.Sprintf("%s/shops=%d/rows=%d/", e.Name, shops, size)
				b.Run(name+"insert", func(b *testing.B) {
					db := databasetest.Open(b, e.New(b))
					run(b, shops, size, func(ctx context.Context, shop int, batch []rows.Write) error { return insert(ctx, db, shop, batch) })
				})
				b.Run(name+"store", func(b *testing.B) {
					stores := openShops(b, databasetest.Open(b, e.New(b)), shops)
					run(b, shops, size, func(ctx context.Context, shop int, batch []rows.Write) error { return stores[shop].Commit(ctx, batch) })
				})
			}
		}
	}
}

// run lets the shops share b.N transactions.
func run(b *testing.B, shops, size int, commit func(context.Context, int, []rows.Write) error) {
	b.ResetTimer()
	var all sync.WaitGroup
	for shop := range shops {
		all.Go(func() {
			batch := make([]rows.Write, size)
			for n := shop; n < b.N; n += shops {
				for i := range batch {
					key := binary.BigEndian.AppendUint64([]byte("k"), uint64(n*size+i))
					batch[i] = rows.Write{Key: key, Value: make([]byte, 200)}
				}
				if err := commit(b.Context(), shop, batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
}

// insert is the database alone.
func insert(ctx context.Context, db *database.DB, shop int, batch []rows.Write) error {
	id := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(shop))
	write, _ := db.Pools()
	tx, err := write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err = insertIn(ctx, tx, db.Dialect(), id, batch); err != nil {
		return err
	}
	return tx.Commit()
}

func insertIn(ctx context.Context, tx *stdsql.Tx, d dialect.Dialect, id []byte, batch []rows.Write) error {
	if d == dialect.Postgres {
		keys, values := make([][]byte, len(batch)), make([][]byte, len(batch))
		for i, w := range batch {
			keys[i], values[i] = w.Key, w.Value
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO rows (shop, key, value) SELECT $1, k, v FROM unnest($2::BYTEA[], $3::BYTEA[]) AS n (k, v)`, id, keys, values)
		return err
	}
	set, err := tx.PrepareContext(ctx, `INSERT INTO rows (shop, key, value) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	for _, w := range batch {
		if _, err := set.ExecContext(ctx, id, w.Key, w.Value); err != nil {
			return err
		}
	}
	return set.Close()
}

// BenchmarkLoad reads 64 rows at once, as an Apply does before it writes.
func BenchmarkLoad(b *testing.B) {
	for _, e := range databasetest.Engines {
		b.Run(e.Name, func(b *testing.B) {
			s := openShops(b, databasetest.Open(b, e.New(b)), 1)[0]
			var keys [][]byte
			for n := range 200 {
				require.NoError(b, s.Commit(b.Context(), numbered(n)))
				if n%3 == 0 && len(keys) < 64 {
					keys = append(keys, fmt.Appendf(nil, "n%06d/07", n))
				}
			}
			for b.Loop() {
				if _, err := s.Load(b.Context(), keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is what a server costs at its start on a database that is up to date.
func BenchmarkOpen(b *testing.B) {
	for _, e := range databasetest.Engines {
		b.Run(e.Name, func(b *testing.B) {
			o := e.New(b)
			for b.Loop() {
				db, err := database.Open(b.Context(), o)
				require.NoError(b, err)
				require.NoError(b, db.Close())
			}
		})
	}
}
