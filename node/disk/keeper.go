package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Disk is what is watched: a [Directory], or the disk of a simulated till.
type Disk interface {
	Free() (uint64, error)    // bytes that may still be written
	Probe() error             // writes a few kilobytes to the disk and removes them
	Ballast() (uint64, error) // bytes that the ballast really occupies
	GrowBallast(size uint64) error
	DropBallast() error
}

// Config is what [NewKeeper] needs.
type Config struct {
	Disk    Disk
	Limits  Limits           // the zero value means DefaultLimits
	Now     func() time.Time // optional
	Changed func(Report)     // optional: Level or Close changed. Called without a lock held; of two calls at once read Report
	Problem func(error)      // optional: the ballast could not be made or removed, or the free space is not known
}

// Keeper watches a disk for a running till. It is safe for concurrent use. Make it with [NewKeeper], which looks for the
// first time, so that a till asks [Keeper.MayReopen] before it opens its store.
type Keeper struct {
	cfg Config

	mu    sync.Mutex // also keeps two looks apart
	watch *Watch
	told  Report // what Changed was told last
}

// NewKeeper looks at the disk, with a test write, and removes the ballast if closing needs it.
func NewKeeper(cfg Config) (*Keeper, error) {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Report) {}
	}
	if cfg.Problem == nil {
		cfg.Problem = func(error) {}
	}
	w, err := NewWatch(cfg.Limits)
	if err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg, watch: w}
	k.look(true)
	return k, nil
}

// Run looks again and again until ctx is done.
func (k *Keeper) Run(ctx context.Context) { k.run(ctx, func() {}) }

// run looks, and calls then after each look and once at the start.
func (k *Keeper) run(ctx context.Context, then func()) {
	for {
		then()
		if ctx.Err() != nil {
			return
		}
		k.mu.Lock()
		wait, probe := k.watch.Next()
		k.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			k.look(probe)
		}
	}
}

// look takes a sample and does what the watch asks for.
func (k *Keeper) look(probe bool) {
	k.mu.Lock()
	a, problem := k.sampleLocked(probe)
	if a.DropBallast || a.GrowBallast {
		problem = errors.Join(problem, k.ballastLocked(a))
	}
	k.unlockAndTell(problem)
}

func (k *Keeper) unlockAndTell(problem error) {
	r := k.watch.Report(k.cfg.Now())
	changed := r.Level != k.told.Level || r.Close != k.told.Close
	k.told = r
	k.mu.Unlock()
	if problem != nil {
		k.cfg.Problem(problem)
	}
	if changed {
		k.cfg.Changed(r)
	}
}

func (k *Keeper) sampleLocked(probe bool) (Actions, error) {
	s := Sample{Probed: probe}
	s.Free, s.FreeErr = k.cfg.Disk.Free()
	ballast, err := k.cfg.Disk.Ballast()
	s.Ballast = ballast
	if probe {
		s.Probe = k.cfg.Disk.Probe()
	}
	return k.watch.Observe(k.cfg.Now(), s), errors.Join(s.FreeErr, err)
}

// ballastLocked changes the ballast and looks again. A failure is no fault of the disk by itself: the test writes tell.
func (k *Keeper) ballastLocked(a Actions) error {
	var err error
	if a.DropBallast {
		err = k.cfg.Disk.DropBallast()
	} else {
		err = k.cfg.Disk.GrowBallast(k.cfg.Limits.Ballast)
	}
	_, problem := k.sampleLocked(false)
	return errors.Join(err, problem)
}

// WriteFailed takes the error of a write to this disk, such as one of the store's.
func (k *Keeper) WriteFailed(err error) {
	k.mu.Lock()
	a := k.watch.WriteFailed(k.cfg.Now(), err)
	var problem error
	if a.DropBallast {
		problem = k.ballastLocked(a)
	}
	k.unlockAndTell(problem)
}

// Reserve looks at the disk and keeps bytes for one sale, see [Watch.Reserve]. Call release once, after the receipt was
// written or the sale was given up; calling it again does nothing. The error is a *[Refusal], and nothing is kept.
func (k *Keeper) Reserve(bytes uint64) (release func(), err error) {
	k.look(false)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.watch.Reserve(k.cfg.Now(), bytes); err != nil {
		return nil, fmt.Errorf("reserve room: %w", err)
	}
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.watch.Release(bytes)
	}), nil
}

// Level returns the present level.
func (k *Keeper) Level() Level {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.Level()
}

// OpenTab returns nil, or a *[Refusal] if no new tab may be opened.
func (k *Keeper) OpenTab() error { return k.allow(Level.MayOpenTab) }

// Finish returns nil, or a *[Refusal] if not even open tabs may be changed.
func (k *Keeper) Finish() error { return k.allow(Level.MayFinish) }

func (k *Keeper) allow(may func(Level) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if may(k.watch.Level()) {
		return nil
	}
	return &Refusal{Report: k.watch.Report(k.cfg.Now())}
}

// TakeForeign is [Level.TakeForeign] of the present level.
func (k *Keeper) TakeForeign(ofOpenTab bool) bool { return k.Level().TakeForeign(ofOpenTab) }

// MustClose is [Watch.MustClose] now.
func (k *Keeper) MustClose() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.MustClose(k.cfg.Now())
}

// MayReopen is [Watch.MayReopen] now.
func (k *Keeper) MayReopen() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.MayReopen()
}

// Report returns how the disk is doing.
func (k *Keeper) Report() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.Report(k.cfg.Now())
}

// Await looks again and again until a store that is closed may be opened, or ctx is done. Do not call it during Run.
func (k *Keeper) Await(ctx context.Context) {
	awaiting, enough := context.WithCancel(ctx)
	defer enough()
	k.run(awaiting, func() {
		if k.MayReopen() {
			enough()
		}
	})
}
