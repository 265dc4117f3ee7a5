//go:build bench

package scale

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/node/nodetest/flood"
)

func TestMain(m *testing.M) {
	// The flood is made by a process of its own: this program, started again.
	if ran, err := flood.FromEnvironment(context.Background(), os.Stdout); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(run{m})
}

// run runs the tests and removes the till program that they built.
type run struct{ m *testing.M }

func (r run) Run() int { return nodetest.Main(r.m) }

// report is the table that grows row by row.
type report struct{ lines [][]string }

func (r *report) add(work, cost, note string) {
	r.lines = append(r.lines, []string{work, cost, note})
}

func TestScale(t *testing.T) {
	table := report{lines: [][]string{{"work", "cost (this run)", "goal, or what it is compared with"}}}
	for _, row := range []struct {
		name    string
		measure func(*testing.T, *report)
	}{
		{"idle", idleRows},
		{"write", writeRows},
		{"reunion", reunionRows},
		{"boots", bootRows},
		{"room", roomRows},
		{"join", joinRows},
		{"store", storeRows},
		{"flood", floodRows},
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
	require.NoError(t, figures.Table(t.Output(), table.lines))
}

// sized returns the real size, or the small one with -short.
func sized[T any](full, small T) T {
	if testing.Short() {
		return small
	}
	return full
}

// patience bounds every wait for something that ends by itself.
const patience = 5 * time.Minute

// await looks every moment until it holds; false when patience is over.
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
