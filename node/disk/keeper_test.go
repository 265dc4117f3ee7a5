package disk_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/disk"
)

// fake is a disk of a size with a ballast and other files on it.
type fake struct {
	mu                   sync.Mutex
	size, other, ballast uint64
	probe                error
	probes               int
}

func (f *fake) Free() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size - f.other - f.ballast, nil
}

func (f *fake) Probe() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probes++
	return f.probe
}

func (f *fake) Ballast() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ballast, nil
}

func (f *fake) GrowBallast(size uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ballast = min(size, f.ballast+4*mb)
	return nil
}

func (f *fake) DropBallast() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ballast = 0
	return nil
}

// fill lets other files take this much; at most what the disk has.
func (f *fake) fill(megabytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.other = min(megabytes*mb, f.size-f.ballast)
}

// pass lets time pass, and what is due at its end happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestKeeperFollowsADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{size: 10_000 * mb}
		var levels []disk.Level
		k, err := disk.NewKeeper(disk.Config{Disk: f, Changed: func(r disk.Report) { levels = append(levels, r.Level) },
			Problem: func(err error) { t.Error(err) }})
		require.NoError(t, err)
		require.True(t, k.MayReopen(), "the first look is made at once")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.Run(ctx); close(done) }()

		pass(2 * time.Minute)
		require.Equal(t, uint64(64*mb), k.Report().Ballast, "made part by part")
		require.NoError(t, k.OpenTab())

		f.fill(9_600)
		pass(5 * time.Second)
		require.ErrorIs(t, k.OpenTab(), disk.ErrNoRoom)
		require.NoError(t, k.Finish())
		require.True(t, k.TakeForeign(true))
		require.False(t, k.TakeForeign(false))
		release, err := k.Reserve(mb)
		require.NoError(t, err)

		f.fill(1 << 40) // all of it, at once
		pass(time.Second)
		require.Zero(t, k.Report().Ballast, "removed: closing the store needs the room")
		require.Equal(t, uint64(64*mb), k.Report().Free)
		require.True(t, k.MustClose())
		require.ErrorIs(t, k.Finish(), disk.ErrNoRoom)
		_, err = k.Reserve(1)
		require.ErrorIs(t, err, disk.ErrNoRoom)
		release()
		release()
		require.True(t, k.Report().Close)

		f.fill(9_800) // below the limit, and somebody is paying
		pass(time.Second)
		require.True(t, k.MustClose())
		f.fill(9_000)
		pass(time.Second)
		require.True(t, k.MayReopen())
		pass(time.Minute)
		require.Equal(t, uint64(64*mb), k.Report().Ballast, "made again")
		require.Equal(t, []disk.Level{disk.Fine, disk.NoNewTabs, disk.Closed, disk.Low}, levels)
		cancel()
		<-done
	})
}

// A reservation looks at the disk itself: what happened since the last look counts.
func TestReserveLooks(t *testing.T) {
	f := &fake{size: 10_000 * mb, ballast: 64 * mb}
	k, err := disk.NewKeeper(disk.Config{Disk: f})
	require.NoError(t, err)
	f.fill(9_800)
	_, err = k.Reserve(1)
	require.ErrorIs(t, err, disk.ErrNoRoom)
	require.Contains(t, err.Error(), "nothing was booked")
}

func TestWritesThatFailAreNoticedAtOnceAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{size: 10_000 * mb, ballast: 64 * mb}
		var changes atomic.Int32
		k, err := disk.NewKeeper(disk.Config{Disk: f, Changed: func(disk.Report) { changes.Add(1) }})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.Run(ctx); close(done) }()
		f.mu.Lock()
		f.probe = syscall.EROFS
		f.mu.Unlock()
		k.WriteFailed(syscall.EROFS)
		require.Equal(t, disk.ReadOnly, k.Level())
		pass(time.Hour)
		require.Equal(t, disk.ReadOnly, k.Level())
		f.mu.Lock()
		f.probe = nil
		f.mu.Unlock()
		pass(8 * time.Second)
		require.True(t, k.MayReopen())
		require.EqualValues(t, 3, changes.Load())
		k.WriteFailed(syscall.ENOSPC)
		require.Equal(t, disk.Full, k.Level())
		require.Zero(t, k.Report().Ballast)
		cancel()
		<-done
	})
}

// Those who hold a reservation are waited for; when the last is done, the owner is told to close.
func TestOwnerIsToldWhenToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{size: 10_000 * mb, ballast: 64 * mb}
		var told []bool
		k, err := disk.NewKeeper(disk.Config{Disk: f, Changed: func(r disk.Report) { told = append(told, r.Close) }})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.Run(ctx); close(done) }()
		release, err := k.Reserve(mb)
		require.NoError(t, err)
		f.fill(9_800)
		pass(10 * time.Second)
		require.False(t, k.MustClose())
		release()
		pass(time.Second)
		require.True(t, k.MustClose())
		cancel()
		<-done
		require.Equal(t, []bool{false, false, true}, told, "fine, closed but waiting, close")
	})
}

// Many reserve at once; never more than there is.
func TestReserveAtOnce(t *testing.T) {
	f := &fake{size: 1000 * mb, ballast: 64 * mb}
	f.fill(1000 - 64 - 220)
	k, err := disk.NewKeeper(disk.Config{Disk: f})
	require.NoError(t, err)
	var granted atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := k.Reserve(mb); err == nil {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 20, granted.Load())
}
