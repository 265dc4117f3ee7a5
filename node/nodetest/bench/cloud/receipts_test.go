//go:build bench

package cloud

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// load is how much is brought by how many shops at once.
type load struct {
	work   string
	shops  int
	each   int // sales of a shop
	window int // of a shop, without an answer
	whole  bool
}

var loads = []load{
	{"receipts, 1 shop", 1, 4000, 256, false},
	{"receipts, 100 shops", 100, 60, 16, false},
	{"receipts, 1,000 shops", 1000, 10, 4, false},
	{"whole sales, 100 shops", 100, 20, 16, true},
}

// receiptFigures measure how many receipts the cloud makes durable, archived and acknowledged.
func receiptFigures(t *testing.T, table *report) {
	key := cloudKey(t)
	next := 0
	for _, l := range loads {
		if testing.Short() {
			l.each, l.shops = min(l.each, 10), min(l.shops, 20)
		}
		from := next
		next += l.shops
		made := sync.OnceValue(func() []*branch {
			list := newBranches(t, key, from, l.shops)
			for _, b := range list {
				if l.whole {
					b.sellWhole(l.each)
				} else {
					b.sell(l.each)
				}
			}
			return list
		})
		for _, e := range engines {
			t.Run(e.name+"/"+l.work, func(t *testing.T) { bring(t, table, e, l, made(), crdt.TillIDOf(key)) })
		}
	}
}

// bring measures one load on one engine.
func bring(t *testing.T, table *report, e kind, l load, list []*branch, cloud crdt.TillID) {
	commits, bytes := 0, 0
	for _, b := range list {
		for _, c := range b.sales {
			commits, bytes = commits+1, bytes+len(c.Bytes())
		}
	}
	o := e.new(t)
	prepare(t, o, list)
	empty := size(t, o)
	server := startServer(t, o, "127.0.0.1:0")
	lines := make([]*line, len(list))
	each(t, list, func(i int, b *branch) (err error) {
		lines[i], err = b.call(t.Context(), "http://"+server.addr, cloud)
		return err
	})
	each(t, lines, func(_ int, one *line) error { return one.found() })
	before := worked(t, o, server)
	began := time.Now()
	each(t, lines, func(_ int, one *line) error { return one.push(l.window) })
	took := time.Since(began)
	work := worked(t, o, server) - before
	for _, one := range lines {
		one.close()
	}
	server.stop()
	archived(t, o, list, l.each)
	grown := size(t, o) - empty

	floor, floorWork := insert(t, e, l, list)
	rate, floorRate := float64(commits)/took.Seconds(), float64(commits)/floor.Seconds()
	what := "receipts"
	if l.whole {
		what = "commits"
	}
	ours := fmt.Sprintf("%.0f %s/s, %.2fx; %.0f µs of processor each, %d B on disk", rate, what, rate/floorRate,
		float64(work.Microseconds())/float64(commits), grown/int64(commits))
	if l.whole {
		ours += fmt.Sprintf("; %.0f sales/s", rate*float64(l.shops*l.each)/float64(commits))
	}
	again, againWork := insertAgain(t, e, o, commits)
	table.add(fmt.Sprintf("%s, %s", l.work, e.name), fmt.Sprintf("%.0f/s of %d B; %.0f µs", floorRate, bytes/commits,
		float64(floorWork.Microseconds())/float64(commits)), ours, ">= 0.5x", rate >= floorRate/2)
	againRate := float64(commits) / again.Seconds()
	table.add("  beside the rows of this, inserted alone", fmt.Sprintf("%.0f/s; %.0f µs", againRate, float64(againWork.Microseconds())/float64(commits)),
		fmt.Sprintf("%.2fx", rate/againRate), ">= 0.5x", rate >= againRate/2)
}

// worked returns the processor time of the server and of its database.
func worked(t *testing.T, o database.Options, server *process) time.Duration {
	t.Helper()
	all := postgres(t, o)
	if server != nil {
		all += cpu(t, server.cmd.Process.Pid)
	}
	return all
}

// postgres returns the processor time of a PostgreSQL of the tests and of all its processes.
func postgres(t *testing.T, o database.Options) (all time.Duration) {
	t.Helper()
	if o.DSN == "" {
		return 0
	}
	address, err := url.Parse(o.DSN)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(address.Query().Get("host"), "data", "postmaster.pid"))
	require.NoError(t, err)
	main, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(main)
	require.NoError(t, err)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	require.NoError(t, err)
	for _, child := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(child)
		require.NoError(t, err)
		all += cpu(t, n)
	}
	return all
}

// archived checks that the archive holds every receipt once.
func archived(t *testing.T, o database.Options, list []*branch, each int) {
	t.Helper()
	ctx := t.Context()
	db, err := database.Open(ctx, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, b := range list {
		n := 0
		require.NoError(t, db.View(ctx, func(tx *database.Tx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM archive_leaves WHERE shop = ? AND kind = ? AND type = ?`,
				b.Shop.ID[:], int64(archive.Receipt), receipt.TypeReceipt).Scan(&n)
		}))
		require.Equal(t, each, n)
	}
}

// size returns how large a database is.
func size(t *testing.T, o database.Options) (bytes int64) {
	t.Helper()
	db, err := database.Open(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	query := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
	if db.Dialect() == dialect.Postgres {
		query = `SELECT pg_database_size(current_database())`
	}
	_, read := db.Pools()
	require.NoError(t, read.QueryRowContext(t.Context(), query).Scan(&bytes))
	return bytes
}

// floorBatch is how many rows a transaction of the floor inserts.
const floorBatch = 64

// insert is the database alone with the same bytes.
func insert(t *testing.T, e kind, l load, list []*branch) (took, work time.Duration) {
	t.Helper()
	ctx := t.Context()
	o := e.new(t)
	db, err := database.Open(ctx, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	pool, _ := db.Pools()
	blob := "BLOB"
	if db.Dialect() == dialect.Postgres {
		blob = "BYTEA"
	}
	_, err = pool.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE floor (shop BIGINT NOT NULL, n BIGINT NOT NULL, value %s NOT NULL, PRIMARY KEY (shop, n))`, blob))
	require.NoError(t, err)
	// Each connection inserts for as many shops as fall to it.
	writers := min(len(list), pool.Stats().MaxOpenConnections)
	before := worked(t, o, nil) + own(t)
	began := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			var rows []floorRow
			for i := w; i < len(list); i += writers {
				for n, c := range list[i].sales {
					rows = append(rows, floorRow{int64(i), int64(n), c.Bytes()})
				}
			}
			for len(rows) > 0 {
				n := min(len(rows), floorBatch)
				if err := insertRows(ctx, db.Dialect(), pool, rows[:n]); err != nil {
					t.Error(err)
					return
				}
				rows = rows[n:]
			}
		})
	}
	all.Wait()
	took = time.Since(began)
	return took, worked(t, o, nil) + own(t) - before
}

type floorRow struct {
	shop, n int64
	value   []byte
}

func insertRows(ctx context.Context, d dialect.Dialect, pool *sql.DB, rows []floorRow) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	if d == dialect.Postgres {
		shops, numbers, values := make([]int64, len(rows)), make([]int64, len(rows)), make([][]byte, len(rows))
		for i, r := range rows {
			shops[i], numbers[i], values[i] = r.shop, r.n, r.value
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO floor SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BYTEA[])`, shops, numbers, values); err != nil {
			return err
		}
		return tx.Commit()
	}
	set, err := tx.PrepareContext(ctx, `INSERT INTO floor (shop, n, value) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := set.ExecContext(ctx, r.shop, r.n, r.value); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// own returns the processor time of this process.
func own(t *testing.T) time.Duration { return cpu(t, os.Getpid()) }
