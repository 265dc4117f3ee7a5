package database_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

var update = flag.Bool("update", false, "write the schema files that are missing in testdata")

// files returns the migrations of this program up to a number, and more.
func files(t *testing.T, upTo int, more map[string]string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(database.Migrations(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || numberOf(t, name) > upTo {
			return err
		}
		text, err := fs.ReadFile(database.Migrations(), name)
		out[name] = &fstest.MapFile{Data: text}
		return err
	}))
	for name, text := range more {
		for _, engine := range databasetest.Engines {
			out[path.Join(engine.Name, name)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
		}
	}
	return out
}

func numberOf(t *testing.T, name string) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(path.Base(name), "%04d_", &n)
	require.NoError(t, err, name)
	return n
}

func numbers(t *testing.T) []int {
	t.Helper()
	found := map[int]int{}
	for name := range files(t, 9999, nil) {
		found[numberOf(t, name)]++
	}
	for n, engines := range found {
		require.Equal(t, len(databasetest.Engines), engines, "migration %d is not there for each engine", n)
	}
	return slices.Sorted(maps.Keys(found))
}

// schema returns what the tables are.
func schema(t *testing.T, db *database.DB) string {
	t.Helper()
	query := `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name`
	if db.Dialect() == dialect.Postgres {
		query = `SELECT what FROM (
			SELECT table_name AS t, 1 AS kind, ordinal_position AS n, table_name || '.' || column_name || ' ' || data_type
				|| CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END || COALESCE(' default ' || column_default, '') AS what
				FROM information_schema.columns WHERE table_schema = current_schema()
			UNION ALL SELECT tablename, 2, 0, indexdef FROM pg_indexes WHERE schemaname = current_schema()
			UNION ALL SELECT conrelid::regclass::text, 3, 0, conrelid::regclass::text || ': ' || pg_get_constraintdef(oid)
				FROM pg_constraint WHERE connamespace = current_schema()::regnamespace) AS s ORDER BY t, kind, n, what`
	}
	var out strings.Builder
	require.NoError(t, db.View(t.Context(), func(tx *database.Tx) error {
		found, err := tx.Query(t.Context(), query)
		require.NoError(t, err)
		for found.Next() {
			var line string
			require.NoError(t, found.Scan(&line))
			out.WriteString(strings.ReplaceAll(line, "\t", "  ") + "\n")
		}
		return found.Close()
	}))
	return out.String()
}

// TestSchemaIsPinned: what each released migration comes to never changes. A new one writes its files with -update, which
// leaves the others alone.
func TestSchemaIsPinned(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			for _, n := range numbers(t) {
				db, err := database.OpenWith(t.Context(), o, files(t, n, nil))
				require.NoError(t, err)
				got := schema(t, db)
				require.NoError(t, db.Close())
				name := filepath.Join("testdata", "schema", fmt.Sprintf("%04d.%s.txt", n, e.Name))
				want, err := os.ReadFile(name)
				if os.IsNotExist(err) && *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
					require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
					continue
				}
				require.NoError(t, err)
				require.Equal(t, string(want), got, "migration %d", n)
			}
		})
	}
}

func TestAnOlderDatabaseIsBroughtUpToDate(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			older, err := database.OpenWith(t.Context(), o, files(t, 1, nil))
			require.NoError(t, err)
			require.NoError(t, older.Tx(t.Context(), func(tx *database.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO rows (shop, key, value) VALUES (?, ?, ?)`, []byte("shop"), []byte("key"), []byte("value"))
				return err
			}))
			require.NoError(t, older.Close())
			current := databasetest.Open(t, o)
			require.Equal(t, older.Installation(), current.Installation())
			require.NoError(t, current.Close())

			more := map[string]string{"9998_a.sql": `CREATE TABLE a (n BIGINT NOT NULL PRIMARY KEY);`, "9999_b.sql": `ALTER TABLE rows ADD COLUMN extra TEXT;`}
			newer, err := database.OpenWith(t.Context(), o, files(t, 9999, more))
			require.NoError(t, err)
			var value []byte
			require.NoError(t, newer.View(t.Context(), func(tx *database.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT value FROM rows WHERE shop = ? AND extra IS NULL`, []byte("shop")).Scan(&value)
			}))
			require.Equal(t, "value", string(value))
			before := schema(t, newer)

			for range 2 {
				_, err = database.Open(t.Context(), o)
				require.ErrorIs(t, err, database.ErrNewerSchema)
				require.ErrorContains(t, err, "update this program")
			}
			require.Equal(t, before, schema(t, newer))
			require.NoError(t, newer.Close())
		})
	}
}

// TestAFailedMigrationLeavesNothing: the one that fails is undone whole, those before it stay, and the next start goes on.
func TestAFailedMigrationLeavesNothing(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			more := map[string]string{"9998_a.sql": `CREATE TABLE a (n BIGINT NOT NULL PRIMARY KEY);`,
				"9999_b.sql": "CREATE TABLE b (n BIGINT NOT NULL PRIMARY KEY);\nINSERT INTO missing (n) VALUES (1);"}
			_, err := database.OpenWith(t.Context(), o, files(t, 9999, more))
			require.ErrorContains(t, err, "missing")
			delete(more, "9999_b.sql")
			db, err := database.OpenWith(t.Context(), o, files(t, 9999, more))
			require.NoError(t, err)
			require.NotContains(t, schema(t, db), "TABLE b")
			require.NotContains(t, schema(t, db), "b.n")
			require.NoError(t, db.Close())
		})
	}
}

// TestManyServersStartAtOnce: each migration runs once, and all have the same installation.
func TestManyServersStartAtOnce(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			// A migration that runs twice is seen: it adds a row each time.
			more := map[string]string{"9998_a.sql": `CREATE TABLE a (n BIGINT);`, "9999_b.sql": `INSERT INTO a (n) VALUES (1);`}
			m := files(t, 9999, more)
			var all sync.WaitGroup
			var mu sync.Mutex
			ids := map[crdt.TillID]int{}
			for range 6 {
				all.Go(func() {
					db, err := database.OpenWith(t.Context(), o, m)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					ids[db.Installation().ID]++
					mu.Unlock()
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.Len(t, ids, 1)
			db, err := database.OpenWith(t.Context(), o, m)
			require.NoError(t, err)
			var count int
			require.NoError(t, db.View(t.Context(), func(tx *database.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&count)
			}))
			require.Equal(t, 1, count)
			require.NoError(t, db.Close())
		})
	}
}
