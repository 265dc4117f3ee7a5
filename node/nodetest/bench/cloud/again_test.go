//go:build bench

package cloud

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// stored is a table that grows with every receipt, with the types of its columns in PostgreSQL.
type stored struct {
	table   string
	shop    int // which column is the shop
	columns []string
	types   []string
}

var growing = []stored{
	{"rows", 0, []string{"shop", "key", "value"}, []string{"BYTEA", "BYTEA", "BYTEA"}},
	{
		"archive_leaves", 3,
		[]string{"account", "leaf_index", "origin", "shop", "kind", "type", "object", "name", "number", "day", "archived_at", "leaf", "content", "salt"},
		[]string{"BYTEA", "BIGINT", "BYTEA", "BYTEA", "BIGINT", "TEXT", "BYTEA", "TEXT", "BIGINT", "TEXT", "BIGINT", "BYTEA", "BYTEA", "BYTEA"},
	},
}

// insertAgain has an empty database of the same schema, indexes included, take the rows that the cloud wrote, and nothing else: as durable, the rows of 64
// commits in a transaction, in the order of their keys, by as many connections.
func insertAgain(t *testing.T, e kind, from database.Options, commits int) (took, work time.Duration) {
	t.Helper()
	ctx := t.Context()
	shops := writtenRows(t, from)
	o := e.new(t)
	db, err := database.Open(ctx, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	pool, _ := db.Pools()
	writers := min(len(shops), pool.Stats().MaxOpenConnections)
	before := worked(t, o, nil) + own(t)
	began := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			var mine [2][][]any
			for i := w; i < len(shops); i += writers {
				for k := range growing {
					mine[k] = append(mine[k], shops[i][k]...)
				}
			}
			transactions := max(1, commits/writers/floorBatch)
			for n := range transactions {
				var parts [2][][]any
				for k, list := range mine {
					parts[k] = list[len(list)*n/transactions : len(list)*(n+1)/transactions]
				}
				if err := insertParts(ctx, db.Dialect(), pool, parts); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	took = time.Since(began)
	return took, worked(t, o, nil) + own(t) - before
}

// writtenRows are the rows of the tables that grow, by shop.
func writtenRows(t *testing.T, o database.Options) (shops [][2][][]any) {
	t.Helper()
	db, err := database.Open(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	number := make(map[string]int)
	_, read := db.Pools()
	for k, of := range growing {
		found, err := read.QueryContext(t.Context(), fmt.Sprintf(`SELECT %s FROM %s ORDER BY 1, 2`, strings.Join(of.columns, ", "), of.table))
		require.NoError(t, err)
		for found.Next() {
			row, to := make([]any, len(of.columns)), make([]any, len(of.columns))
			for i := range row {
				to[i] = &row[i]
			}
			require.NoError(t, found.Scan(to...))
			shop := string(row[of.shop].([]byte))
			at, known := number[shop]
			if !known {
				at = len(shops)
				number[shop], shops = at, append(shops, [2][][]any{})
			}
			shops[at][k] = append(shops[at][k], row)
		}
		require.NoError(t, found.Err())
		require.NoError(t, found.Close())
	}
	return shops
}

func insertParts(ctx context.Context, d dialect.Dialect, pool *sql.DB, parts [2][][]any) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	for k, list := range parts {
		if len(list) == 0 {
			continue
		}
		of := growing[k]
		head := fmt.Sprintf(`INSERT INTO %s (%s) `, of.table, strings.Join(of.columns, ", "))
		if d == dialect.Postgres {
			var arrays []string
			var args []any
			for i, typ := range of.types {
				arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, typ))
				args = append(args, column(list, i, typ))
			}
			if _, err := tx.ExecContext(ctx, head+`SELECT * FROM unnest(`+strings.Join(arrays, ", ")+`)`, args...); err != nil {
				return err
			}
			continue
		}
		set, err := tx.PrepareContext(ctx, head+`VALUES (`+strings.Join(slices.Repeat([]string{"?"}, len(of.columns)), ", ")+`)`)
		if err != nil {
			return err
		}
		for _, row := range list {
			if _, err := set.ExecContext(ctx, row...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// column is one column of rows as an array of PostgreSQL.
func column(list [][]any, i int, typ string) any {
	switch typ {
	case "BIGINT":
		return values[int64](list, i)
	case "TEXT":
		return values[string](list, i)
	}
	return values[[]byte](list, i)
}

func values[T any](list [][]any, i int) []T {
	out := make([]T, len(list))
	for n, row := range list {
		out[n], _ = row[i].(T) // NULL is nil
	}
	return out
}
