//go:build bench

package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		os.Exit(runChild(role))
	}
	goleak.VerifyTestMain(run{m})
}

// run runs the tests and removes the till program that they built.
type run struct{ m *testing.M }

func (r run) Run() int { return nodetest.Main(r.m) }

// figure is one row of the table.
type figure struct {
	work, floor, ours, goal string
	met                     bool
}

// report is the table that grows row by row.
type report struct{ rows []figure }

func (r *report) add(f figure) { r.rows = append(r.rows, f) }

// print writes the table.
func (r *report) print(w io.Writer) error {
	lines := [][]string{{"work", "floor (this run)", "ours (this run)", "goal", "met"}}
	for _, f := range r.rows {
		met := "no"
		if f.met {
			met = "yes"
		}
		lines = append(lines, []string{f.work, f.floor, f.ours, f.goal, met})
	}
	return figures.Table(w, lines)
}

func TestFigures(t *testing.T) {
	var table report
	for _, row := range []struct {
		name    string
		measure func(*testing.T, *report)
	}{
		{"commit", commitFigures},
		{"receipts", receiptFigures},
		{"visible", visibleFigure},
		{"updates", updateFigures},
		{"join", joinFigures},
		{"reunion", reunionFigures},
		{"memory", memoryFigures},
		{"archive", archiveFigures},
		{"idle", idleFigure},
	} {
		t.Run(row.name, func(t *testing.T) {
			profile(t, row.name)
			began := time.Now()
			row.measure(t, &table)
			t.Logf("%s took %v", row.name, time.Since(began).Round(time.Second))
		})
	}
	fsync, err := figures.Fsync(t.TempDir())
	require.NoError(t, err)
	_, err = fmt.Fprintf(t.Output(), "\n%s, %d CPUs, fsync %s\n", runtime.GOARCH, runtime.NumCPU(), figures.Duration(fsync))
	require.NoError(t, err)
	require.NoError(t, table.print(t.Output()))
}

// profile records where the time of a row goes, if BENCH_CPUPROFILE names a directory.
func profile(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("BENCH_CPUPROFILE")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name+".pprof"))
	require.NoError(t, err)
	require.NoError(t, pprof.StartCPUProfile(f))
	t.Cleanup(func() {
		pprof.StopCPUProfile()
		require.NoError(t, f.Close())
	})
}

// side runs a part of a measurement with a clean heap and labels it for the profile.
func side(name string, f func()) {
	runtime.GC()
	labelled(name, f)
}

// labelled marks what f does, and the goroutines that it starts, as floor or ours.
func labelled(name string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("side", name), func(context.Context) { f() })
}

// sized returns the real size, or the small one with -short.
func sized(full, small int) int {
	if testing.Short() {
		return small
	}
	return full
}

// patience bounds every wait for something that ends by itself.
const patience = 5 * time.Minute

// await looks every moment until it holds. It returns false when patience is over.
func await(every time.Duration, holds func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			return false
		}
	}
	return true
}
