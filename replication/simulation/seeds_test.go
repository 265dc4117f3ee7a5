package simulation_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

var (
	seeds = flag.Int("seeds", 150, "how many seeds to run, from 1 on")
	one   = flag.Uint64("seed", 0, "run this seed alone and print what happens with -v")
)

func newRunner(t *testing.T) *simulation.Runner {
	t.Helper()
	r, err := simulation.NewRunner()
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// TestSeeds runs shops with faults and checks every rule after every step.
func TestSeeds(t *testing.T) {
	r := newRunner(t)
	if *one != 0 {
		o := simulation.Options{Seed: *one}
		if testing.Verbose() {
			o.Trace = os.Stdout
		}
		result, err := r.Run(o)
		require.NoError(t, err)
		t.Logf("%+v", result)
		return
	}
	var total simulation.Result
	var slowest, settled time.Duration
	var slowestSeed uint64
	failed := 0
	begin := time.Now()
	for seed := uint64(1); seed <= uint64(*seeds); seed++ {
		from := time.Now()
		result, err := r.Run(simulation.Options{Seed: seed})
		if err != nil {
			t.Errorf("%v\nreplay: %s", err, replay(seed))
			if failed++; failed == 5 {
				t.Fatal("five seeds are enough")
			}
		}
		if took := time.Since(from); took > slowest {
			slowest = took
		}
		if result.Settled > settled {
			settled, slowestSeed = result.Settled, seed
		}
		total.Steps += result.Steps
		total.Frames += result.Frames
		total.Commits += result.Commits
		total.Claims += result.Claims
		total.Kills += result.Kills
	}
	took := time.Since(begin)
	t.Logf("%d seeds in %v (%.0f/s, slowest %v): %d steps, %d messages, %d commits, %d claims, %d kills; "+
		"after the last fault at most %v until equal (seed %d)", *seeds, took.Round(time.Millisecond),
		float64(*seeds)/took.Seconds(), slowest.Round(time.Millisecond), total.Steps, total.Frames, total.Commits,
		total.Claims, total.Kills, settled, slowestSeed)
	require.Positive(t, total.Commits)
	if *seeds >= 100 {
		require.Positive(t, total.Claims, "no run claimed anything: the seeds no longer reach that rule")
	}
}

func replay(seed uint64) string {
	return fmt.Sprintf("go test ./replication/simulation -run TestSeeds -seed=%d -v", seed)
}

// TestSameSeedSameRun: a seed that failed can be looked at again.
func TestSameSeedSameRun(t *testing.T) {
	a, b := newRunner(t), newRunner(t)
	different := make(map[[32]byte]bool)
	for seed := uint64(1); seed <= 20; seed++ {
		first, err := a.Run(simulation.Options{Seed: seed})
		require.NoError(t, err, replay(seed))
		second, err := b.Run(simulation.Options{Seed: seed})
		require.NoError(t, err, replay(seed))
		require.Equal(t, first, second, "seed %d", seed)
		different[first.Hash] = true
	}
	require.Len(t, different, 20)
}
