package simulation_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

var (
	seeds    = flag.Int("seeds", 300, "how many seeds to run")
	from     = flag.Uint64("from", 1, "the first of them")
	workers  = flag.Int("workers", 2, "how many of them at once")
	one      = flag.Uint64("seed", 0, "run this seed alone and print what happens with -v")
	planted  = flag.String("plant", "none", "with -seed: a mistake to be noticed")
	scenario = flag.String("scenario", "", "run the scenario of this file alone and print what happens with -v")
)

func newRunner(t *testing.T) *simulation.Runner {
	t.Helper()
	r, err := simulation.NewRunner()
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// TestSeeds runs shops with faults and checks every rule after every step. A seed that breaks one is shown as short as
// it can be made, with the command that runs it again.
func TestSeeds(t *testing.T) {
	if *one != 0 {
		runOne(t)
		return
	}
	total := &totals{faults: make(map[string]int)}
	begin := time.Now()
	var next, failed atomic.Uint64
	next.Store(*from - 1)
	var all sync.WaitGroup
	for range *workers {
		all.Go(func() {
			r, err := simulation.NewRunner()
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			for seed := next.Add(1); seed < *from+uint64(*seeds) && failed.Load() < 5; seed = next.Add(1) {
				run := simulation.Run{Seed: seed}
				result, err := r.Run(run)
				if total.add(seed, result); err == nil {
					continue
				}
				failed.Add(1)
				if short := r.Shorten(run); short != nil {
					err = short
				}
				t.Error(err)
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	t.Logf("%d seeds in %v (%.0f/s): %+v; after the last fault at most %v until equal (seed %d)", *seeds, took.Round(time.Millisecond),
		float64(*seeds)/took.Seconds(), total.counts, total.settled, total.slowest)
	for _, fault := range slices.Sorted(maps.Keys(total.faults)) {
		t.Logf("%8d %s", total.faults[fault], fault)
	}
	require.Positive(t, total.counts.Commits)
	if *seeds >= 300 && !t.Failed() {
		require.Positive(t, total.counts.Claims, "no run claimed anything: the seeds no longer reach that rule")
		for _, fault := range simulation.Faults() {
			require.Positive(t, total.faults[fault], "no seed brings about: %s", fault)
		}
	}
}

type totals struct {
	mu      sync.Mutex
	counts  simulation.Counts
	faults  map[string]int
	settled time.Duration
	slowest uint64
}

func (t *totals) add(seed uint64, r simulation.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Steps += r.Counts.Steps
	t.counts.Frames += r.Counts.Frames
	t.counts.Commits += r.Counts.Commits
	t.counts.Claims += r.Counts.Claims
	t.counts.Starts += r.Counts.Starts
	for fault, n := range r.Faults {
		t.faults[fault] += n
	}
	if r.Settled > t.settled {
		t.settled, t.slowest = r.Settled, seed
	}
}

func runOne(t *testing.T) {
	plant, err := simulation.ParsePlant(*planted)
	require.NoError(t, err)
	r, o := newRunner(t), simulation.Run{Seed: *one, Plant: plant}
	if testing.Verbose() {
		o.Trace = os.Stdout
	}
	result, err := r.Run(o)
	if short := r.Shorten(o); short != nil {
		t.Error(short)
	}
	require.NoError(t, err)
	t.Logf("%+v", result)
}

// TestSameSeedSameRun: a seed that failed can be looked at again, byte for byte.
func TestSameSeedSameRun(t *testing.T) {
	a, b := newRunner(t), newRunner(t)
	different := make(map[[32]byte]bool)
	for seed := uint64(1); seed <= 20; seed++ {
		var traceA, traceB bytes.Buffer
		first, err := a.Run(simulation.Run{Seed: seed, Trace: &traceA})
		require.NoError(t, err)
		second, err := b.Run(simulation.Run{Seed: seed, Trace: &traceB})
		require.NoError(t, err)
		if !bytes.Equal(traceA.Bytes(), traceB.Bytes()) {
			t.Fatalf("seed %d: two runs differ from here on:\n%s", seed, firstDifference(traceA.Bytes(), traceB.Bytes()))
		}
		require.Equal(t, first, second, "seed %d", seed)
		different[first.Hash] = true
		silent, err := a.Run(simulation.Run{Seed: seed})
		require.NoError(t, err)
		require.Equal(t, first.Hash, silent.Hash, "seed %d: reading the trace changes the run", seed)
	}
	require.Len(t, different, 20)
}

func firstDifference(a, b []byte) string {
	linesA, linesB := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(linesA), len(linesB)) {
		if !bytes.Equal(linesA[i], linesB[i]) {
			return string(linesA[i]) + "\n" + string(linesB[i])
		}
	}
	return "one is longer"
}

// TestShorten: of a run that fails, what is needed for it remains, and fails again as a scenario of its own.
func TestShorten(t *testing.T) {
	r := newRunner(t)
	for seed := uint64(1); seed <= 5; seed++ {
		short := r.Shorten(simulation.Run{Seed: seed, Plant: simulation.PlantLostPiece})
		if short == nil {
			continue
		}
		require.Positive(t, short.Dropped)
		require.NotEmpty(t, short.Trace)
		require.Contains(t, short.Error(), "-seed=")
		_, err := r.Scenario("short", short.Scenario, simulation.Run{})
		require.ErrorIs(t, err, simulation.ErrViolation)
		require.Equal(t, short.Err.Error(), err.Error())
		return
	}
	t.Fatal("no seed failed")
}

// TestShortenNothing: a run that breaks no rule has nothing to be shortened.
func TestShortenNothing(t *testing.T) {
	require.Nil(t, newRunner(t).Shorten(simulation.Run{Seed: 1}))
}

// TestScenarios runs every scenario of testdata/scenarios. One that names a plant has to fail.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	require.NoError(t, err)
	if *scenario != "" {
		files = []string{*scenario}
	}
	require.NotEmpty(t, files)
	r := newRunner(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			o := simulation.Run{}
			if *scenario != "" && testing.Verbose() {
				o.Trace = os.Stdout
			}
			result, err := r.Scenario(filepath.Base(file), string(text), o)
			if bytes.Contains(text, []byte("\nplant ")) {
				require.True(t, errors.Is(err, simulation.ErrViolation), "the mistake was not noticed: %v", err)
				return
			}
			require.NoError(t, err)
			t.Logf("%+v", result.Counts)
		})
	}
}
