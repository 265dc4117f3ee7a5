package disk_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/node/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes another one each time")

const mb = 1 << 20

var began = time.Unix(1_800_000_000, 0)

func watch(t testing.TB) *disk.Watch {
	t.Helper()
	w, err := disk.NewWatch(disk.DefaultLimits())
	require.NoError(t, err)
	return w
}

// free is a sample of a disk whose ballast is whole.
func free(megabytes uint64) disk.Sample {
	return disk.Sample{Free: megabytes * mb, Ballast: 64 * mb}
}

func TestLevelsGetWorseAtOnceAndBetterWithAMargin(t *testing.T) {
	w := watch(t)
	require.Equal(t, disk.Unknown, w.Level())
	require.False(t, w.MayReopen())
	for i, step := range []struct {
		free uint64
		want disk.Level
	}{
		{10_000, disk.Fine}, {2048, disk.Fine}, {2047, disk.Low}, {2048, disk.Low}, {2252, disk.Low}, {2253, disk.Fine},
		{500, disk.Low}, {499, disk.NoNewTabs}, {549, disk.NoNewTabs}, {550, disk.Low}, {199, disk.Closed}, {219, disk.Closed},
		{220, disk.NoNewTabs}, {0, disk.Closed}, {3000, disk.Fine}, {100, disk.Closed}, {600, disk.Low},
	} {
		was := w.Level()
		a := w.Observe(began.Add(time.Duration(i)*time.Second), free(step.free))
		require.Equal(t, step.want, w.Level(), "step %d: %d MB", i, step.free)
		require.Equal(t, was != step.want, a.Changed, "step %d", i)
	}
}

func TestWhatLevelsAllow(t *testing.T) {
	for level, want := range map[disk.Level][4]bool{ // open tab, finish, foreign of an open tab, other foreign
		disk.Unknown:   {},
		disk.Fine:      {true, true, true, true},
		disk.Low:       {true, true, true, true},
		disk.NoNewTabs: {false, true, true, false},
		disk.Closed:    {}, disk.Full: {}, disk.ReadOnly: {}, disk.Failing: {},
	} {
		got := [4]bool{level.MayOpenTab(), level.MayFinish(), level.TakeForeign(true), level.TakeForeign(false)}
		require.Equal(t, want, got, level.String())
	}
	for _, m := range []struct {
		sample disk.Sample
		close  bool
	}{
		{free(3000), false}, {free(300), false}, {free(100), true}, {disk.Sample{Free: 1 << 40, Probed: true, Probe: syscall.EROFS}, true},
	} {
		w := watch(t)
		w.Observe(began, m.sample)
		require.Equal(t, m.close, w.MustClose(began))
		require.Equal(t, !m.close, w.MayReopen())
	}
}

// Whether the ballast is there or not never changes the level, so no till wakes and falls asleep over its own reserve.
func TestBallastIsNoRoom(t *testing.T) {
	for megabytes := uint64(64); megabytes < 2600; megabytes += 7 {
		with, without := watch(t), watch(t)
		with.Observe(began, free(megabytes))
		without.Observe(began, disk.Sample{Free: (megabytes + 64) * mb})
		require.Equal(t, with.Level(), without.Level(), "%d MB", megabytes)
		require.Equal(t, with.Report(began).Room, without.Report(began).Room)
	}
	w := watch(t)
	require.True(t, w.Observe(began, disk.Sample{Free: 5000 * mb}).GrowBallast)
	require.False(t, w.Observe(began, free(5000)).GrowBallast)
	require.False(t, w.Observe(began, disk.Sample{Free: 550 * mb}).GrowBallast, "486 MB with the ballast: no time to fill the disk")
	require.False(t, w.Observe(began, free(150)).DropBallast, "150 MB suffice to close")
	require.True(t, w.Observe(began, free(63)).DropBallast)
	require.False(t, w.Observe(began, disk.Sample{Free: 127 * mb}).DropBallast, "nothing to remove")
	w.Observe(began, free(3000))
	require.True(t, w.Observe(began, disk.Sample{Free: 3000 * mb, Ballast: 64 * mb, Probed: true, Probe: syscall.ENOSPC}).DropBallast)
}

func TestFailedWritesAreStatesOfTheirOwn(t *testing.T) {
	for err, want := range map[error]disk.Level{
		syscall.EROFS: disk.ReadOnly, syscall.EIO: disk.Failing, syscall.ENOSPC: disk.Full, syscall.EDQUOT: disk.Full,
		fs.ErrNotExist: disk.Failing, errors.New("something else"): disk.Failing,
	} {
		w := watch(t)
		w.Observe(began, free(9000))
		s := free(9000)
		s.Probed, s.Probe = true, fmt.Errorf("test write: %w", err)
		require.True(t, w.Observe(began, s).Changed)
		require.Equal(t, want, w.Level(), "%v", err)
		require.True(t, w.MustClose(began))
		require.ErrorIs(t, w.Report(began).Fault, err)

		// Free space says nothing about it; two good test writes do.
		w.Observe(began, free(9000))
		require.Equal(t, want, w.Level())
		good := free(9000)
		good.Probed = true
		w.Observe(began, good)
		require.Equal(t, want, w.Level())
		w.Observe(began, s)
		w.Observe(began, good)
		require.Equal(t, want, w.Level(), "counted anew")
		_, probe := w.Next()
		require.True(t, probe)
		w.Observe(began, good)
		require.Equal(t, disk.Fine, w.Level())
		require.NoError(t, w.Report(began).Fault)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	w := watch(t)
	w.Observe(began, free(9000))
	require.Equal(t, disk.Actions{}, w.WriteFailed(began, errors.New("a key is too long")))
	require.Equal(t, disk.Fine, w.Level())
	a := w.WriteFailed(began.Add(time.Second), fmt.Errorf("high water: %w", syscall.ENOSPC))
	require.Equal(t, disk.Actions{DropBallast: true, Changed: true}, a)
	require.Equal(t, disk.Full, w.Level())
}

func TestFreeSpaceUnknown(t *testing.T) {
	w := watch(t)
	w.Observe(began, disk.Sample{FreeErr: errors.ErrUnsupported, Probed: true})
	require.Equal(t, disk.Fine, w.Level(), "then only test writes count")
	require.False(t, w.Report(began).Known)
	w.Observe(began, disk.Sample{FreeErr: errors.ErrUnsupported, Probed: true, Probe: syscall.ENOSPC})
	require.Equal(t, disk.Full, w.Level())
	w = watch(t)
	w.Observe(began, disk.Sample{FreeErr: fmt.Errorf("free space: %w", syscall.EIO)})
	require.Equal(t, disk.Failing, w.Level())
}

func TestReserve(t *testing.T) {
	w := watch(t)
	require.ErrorIs(t, w.Reserve(began, 1), disk.ErrNoRoom, "before the first look nothing is certain")
	w.Observe(began, free(210))
	require.NoError(t, w.Reserve(began, 6*mb))
	err := w.Reserve(began, 5*mb)
	require.ErrorIs(t, err, disk.ErrNoRoom)
	var refusal *disk.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Contains(t, err.Error(), "nothing was booked")
	require.NotEmpty(t, refusal.Hint())
	require.NoError(t, w.Reserve(began, 4*mb))
	w.Release(6 * mb)
	w.Release(4 * mb)
	require.Panics(t, func() { w.Release(1) })
	require.Error(t, w.Reserve(began, 1<<63))
	w.Observe(began, free(199))
	require.ErrorIs(t, w.Reserve(began, 0), disk.ErrNoRoom)
}

// Who has reserved room is waited for, as long as there is some.
func TestCloseWaitsForSalesUnderWay(t *testing.T) {
	w := watch(t)
	w.Observe(began, free(300))
	require.NoError(t, w.Reserve(began, mb))
	w.Observe(began.Add(time.Second), free(199))
	require.False(t, w.MustClose(began.Add(time.Second)))
	require.False(t, w.MustClose(began.Add(2*time.Minute)))
	require.True(t, w.MustClose(began.Add(2*time.Minute+time.Second)), "not for ever")
	w.Observe(began.Add(2*time.Second), free(99))
	require.True(t, w.MustClose(began.Add(2*time.Second)), "half of the limit is gone")
	w.Observe(began.Add(3*time.Second), free(150))
	w.Release(mb)
	require.True(t, w.MustClose(began.Add(3*time.Second)))
}

func TestLooksAreAsOftenAsTheDistanceAsks(t *testing.T) {
	last := time.Duration(0)
	for _, megabytes := range []uint64{200, 240, 300, 499} {
		w := watch(t)
		w.Observe(began, free(megabytes))
		wait, _ := w.Next()
		require.GreaterOrEqual(t, wait, last)
		require.GreaterOrEqual(t, wait, 100*time.Millisecond)
		require.Less(t, wait, time.Second)
		last = wait
	}
	w := watch(t)
	w.Observe(began, free(100_000))
	wait, _ := w.Next()
	require.Equal(t, 5*time.Second, wait)
	w.Observe(began, free(10))
	wait, _ = w.Next()
	require.Equal(t, time.Second, wait)
}

func TestTestWritesAreRareWhileAllIsWell(t *testing.T) {
	w := watch(t)
	now, probes := began, 0
	for now.Before(began.Add(10 * time.Minute)) {
		wait, probe := w.Next()
		now = now.Add(wait)
		s := free(100_000)
		if s.Probed = probe; probe {
			probes++
		}
		w.Observe(now, s)
	}
	require.InDelta(t, 10, probes, 1)
}

// A disk that fills as fast as the fastest writer can: the store is told to close while there is room to do it.
func TestFastestWriter(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -args -seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		w := watch(t)
		room := uint64(300+r.IntN(100_000)) * mb
		speed := uint64(1+r.IntN(400)) * mb // a second
		now := began
		w.Observe(now, disk.Sample{Free: room, Ballast: 64 * mb, Probed: true})
		for !w.MustClose(now) {
			wait, probe := w.Next()
			now = now.Add(wait)
			room -= min(room, speed/1000*uint64(wait.Milliseconds()))
			w.Observe(now, disk.Sample{Free: room, Ballast: 64 * mb, Probed: probe})
		}
		require.Greater(t, room, uint64(150*mb), "speed %d MB/s", speed/mb)
	}
}

func TestLimitsThatContradict(t *testing.T) {
	for _, l := range []disk.Limits{
		{}, {Warn: 1, NoNewTabs: 2, Close: 1}, {Warn: 5, NoNewTabs: 2, Close: 2}, {Warn: 5, NoNewTabs: 3},
	} {
		_, err := disk.NewWatch(l)
		require.Error(t, err, "%+v", l)
	}
}

func TestSentences(t *testing.T) {
	seen := map[string]bool{}
	for level := disk.Unknown; level <= disk.Failing; level++ {
		r := disk.Report{Level: level, Known: true, Room: 150 * mb, Limits: disk.DefaultLimits()}
		require.False(t, seen[r.Sentence()], "%s", level)
		seen[r.Sentence()] = true
		require.Equal(t, level <= disk.Fine, r.Next() == "", "%s", level)
		text, err := level.MarshalText()
		require.NoError(t, err)
		require.Equal(t, level.String(), string(text))
	}
	r := disk.Report{Level: disk.Closed, Known: true, Room: 150 * mb, Limits: disk.DefaultLimits()}
	require.Contains(t, r.Sentence(), "150 MB are free")
	require.Contains(t, r.Next(), "71 MB", "freeing what the sentence asks for is enough")
	w := watch(t)
	w.Observe(began, free(150))
	w.Observe(began, free(150+71))
	require.True(t, w.MayReopen())
	require.Equal(t, "unknown", disk.Level(99).String())
	w.Observe(began.Add(time.Minute), free(300))
	require.Equal(t, 5*time.Second, w.Report(began.Add(65*time.Second)).Age)
	require.Equal(t, 65*time.Second, w.Report(began.Add(65*time.Second)).For)
}
