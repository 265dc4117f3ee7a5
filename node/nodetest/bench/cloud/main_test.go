//go:build bench

package cloud

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(runServer())
	}
	os.Exit(databasetest.Main(m))
}

// report is the table that grows row by row.
type report struct {
	t    *testing.T
	rows [][]string
}

func (r *report) add(work, floor, ours, goal string, met bool) {
	verdict := "no"
	if met {
		verdict = "yes"
	}
	row := []string{work, floor, ours, goal, verdict}
	r.t.Log(strings.Join(row, " | "))
	r.rows = append(r.rows, row)
}

// kind is a database to measure on.
type kind struct {
	name string
	new  func(t *testing.T) database.Options
}

// engines are SQLite and a PostgreSQL that syncs, both with the same key of the cloud, so that the same shops fit both.
var engines = []kind{
	{"SQLite", func(t *testing.T) database.Options { return keyed(database.Options{Dir: t.TempDir()}) }},
	{"PostgreSQL", func(t *testing.T) database.Options {
		server := databasetest.Start(t, "fsync=on", "shared_buffers=256MB", "max_wal_size=4GB")
		return keyed(database.Options{DSN: server.Database(t)})
	}},
}

func TestFigures(t *testing.T) {
	table := report{t: t}
	for _, row := range []struct {
		name    string
		measure func(*testing.T, *report)
	}{
		{"receipts", receiptFigures},
		{"idle", idleFigures},
		{"proofs", proofFigures},
		{"check", checkFigure},
	} {
		t.Run(row.name, func(t *testing.T) {
			began := time.Now()
			row.measure(t, &table)
			t.Logf("%s took %v", row.name, time.Since(began).Round(time.Second))
		})
	}
	fsync, err := figures.Fsync(t.TempDir())
	require.NoError(t, err)
	_, err = fmt.Fprintf(t.Output(), "\n%s, %d CPUs, fsync %s\n", runtime.GOARCH, runtime.NumCPU(), figures.Duration(fsync))
	require.NoError(t, err)
	lines := append([][]string{{"work", "floor (this run)", "ours (this run)", "goal", "met"}}, table.rows...)
	require.NoError(t, figures.Table(t.Output(), lines))
}

// sized returns a number of the environment, else the real size, or the small one with -short.
func sized(t *testing.T, env string, full, small int) int {
	if text := os.Getenv(env); env != "" && text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, env)
		return n
	}
	if testing.Short() {
		return small
	}
	return full
}

// patience bounds every wait for something that ends by itself.
const patience = 5 * time.Minute
