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
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/node/nodetest"
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
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, l := range lines {
		for i, cell := range l {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func TestFigures(t *testing.T) {
	var table report
	for _, row := range []struct {
		name    string
		measure func(*testing.T, *report)
	}{
		{"commit", commitFigures},
		{"visible", visibleFigure},
		{"updates", updateFigures},
		{"join", joinFigures},
		{"reunion", reunionFigures},
		{"memory", memoryFigures},
		{"idle", idleFigure},
	} {
		t.Run(row.name, func(t *testing.T) {
			profile(t, row.name)
			began := time.Now()
			row.measure(t, &table)
			t.Logf("%s took %v", row.name, time.Since(began).Round(time.Second))
		})
	}
	_, err := fmt.Fprintf(t.Output(), "\n%s, %d CPUs, fsync %s\n", runtime.GOARCH, runtime.NumCPU(), ms(fsyncTime(t)))
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

// fsyncTime returns the median of a write of 4 KiB with fsync, in place.
func fsyncTime(t *testing.T) time.Duration {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "fsync"))
	require.NoError(t, err)
	block := make([]byte, 4096)
	var times []time.Duration
	for i := range 200 {
		began := time.Now()
		block[0] = byte(i)
		_, err := f.WriteAt(block, 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		times = append(times, time.Since(began))
	}
	require.NoError(t, f.Close())
	return percentile(times, 50)
}

// percentile returns the p-th percentile; times is sorted by it.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, len(times)*p/100)]
}

func median[T int | int64 | float64 | time.Duration](list []T) T {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// ms writes a duration in milliseconds with three significant digits.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func kilobytes(n int64) string { return fmt.Sprintf("%.0f kB", float64(n)/1e3) }

// times writes how many times b a is.
func times[T int64 | float64 | time.Duration](a, b T) string {
	return fmt.Sprintf("%.2fx", float64(a)/float64(b))
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
