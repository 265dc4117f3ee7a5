package disk

import (
	"errors"
	"io/fs"
	"math"
	"syscall"
	"time"
)

const (
	// fastest is how many bytes a second some other program is taken to write at most.
	fastest = 400 * mib
	// The time between two looks is what the distance to the next limit allows, within these.
	shortest, longest = 100 * time.Millisecond, 5 * time.Second
	// whileDown is the time between two looks while the store is closed.
	whileDown = time.Second
	// probeEvery is the time between two test writes while all is well.
	probeEvery = time.Minute
	// goodProbes is how many test writes in a row must go well after one that did not.
	goodProbes = 2
	// patience is how long the store stays open below the limit for those who have reserved room: a customer may be
	// standing at the card terminal. It ends at once when half of the limit is gone.
	patience = 2 * time.Minute
)

// Sample is one look at a disk.
type Sample struct {
	Free    uint64 // bytes that may still be written
	FreeErr error  // why that is not known; errors.ErrUnsupported: not on this system, which is no fault of the disk
	Ballast uint64 // bytes that the ballast file really occupies
	Probed  bool   // a test write was made
	Probe   error  // what became of it
}

// Actions are what the owner of the disk does after a sample.
type Actions struct {
	DropBallast bool // remove the ballast file, then look again
	GrowBallast bool // make the ballast file a part larger
	Changed     bool // the level changed
}

// Watch follows one disk. It does no I/O and is not safe for concurrent use; see [Keeper]. The times it is given must
// not go back, so they are best read from a monotonic clock.
type Watch struct {
	limits   Limits
	level    Level
	since    time.Time
	at       time.Time // of the last sample
	probed   time.Time
	last     Sample
	fault    Level // Full, ReadOnly or Failing while writes fail, else Unknown
	faultErr error
	good     int // test writes in a row that went well since
	reserved uint64
	holders  int
}

// NewWatch returns a watch that allows nothing until its first sample. Limits that contradict each other are an error.
func NewWatch(l Limits) (*Watch, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	return &Watch{limits: l}, nil
}

// Observe takes a look at the disk.
func (w *Watch) Observe(now time.Time, s Sample) Actions {
	if s.FreeErr != nil {
		s.Free, s.Ballast = w.last.Free, w.last.Ballast
	}
	w.at, w.last = now, s
	if s.Probed {
		w.probed = now
	}
	switch {
	case s.Probed && s.Probe != nil:
		w.fail(s.Probe)
	case s.FreeErr != nil && !errors.Is(s.FreeErr, errors.ErrUnsupported):
		w.fail(s.FreeErr)
	case s.Probed && w.fault != Unknown:
		if w.good++; w.good >= goodProbes {
			w.fault, w.faultErr = Unknown, nil
		}
	}
	return w.judge(now)
}

// WriteFailed takes the error of a write that was no test, so that nobody waits for the next one to notice. Errors that
// say nothing about the disk are ignored.
func (w *Watch) WriteFailed(now time.Time, err error) Actions {
	if Fault(err) == Unknown {
		return Actions{}
	}
	w.fail(err)
	return w.judge(now)
}

func (w *Watch) fail(err error) {
	w.good, w.faultErr = 0, err
	if w.fault = Fault(err); w.fault == Unknown {
		w.fault = Failing // a test write has no other reason to fail
	}
}

// Fault returns what an error of a file says about the disk: Full, ReadOnly, Failing, or Unknown if nothing.
func Fault(err error) Level {
	switch {
	case err == nil:
		return Unknown
	case errors.Is(err, syscall.EROFS):
		return ReadOnly
	case errors.Is(err, syscall.ENOSPC), isQuota(err):
		return Full
	case errors.Is(err, syscall.EIO), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENXIO), isGone(err):
		return Failing
	}
	return Unknown
}

// judge sets the level and says what to do.
func (w *Watch) judge(now time.Time) Actions {
	was := w.level
	if w.level = w.levelOf(w.room()); w.fault != Unknown {
		w.level = w.fault
	}
	var a Actions
	if a.Changed = w.level != was; a.Changed {
		w.since = now
	}
	known := w.last.FreeErr == nil
	switch {
	case known && w.last.Ballast > 0 && (w.level == Full || w.level == Closed && w.last.Free < w.limits.Ballast):
		a.DropBallast = true
	case known && w.last.Ballast < w.limits.Ballast && w.level.MayOpenTab():
		a.GrowBallast = true
	}
	return a
}

// levelOf returns the level for this much room. The limits that hold the present level down are raised by their margin.
func (w *Watch) levelOf(room uint64) Level {
	for _, step := range []struct {
		limit uint64
		level Level
	}{{w.limits.Close, Closed}, {w.limits.NoNewTabs, NoNewTabs}, {w.limits.Warn, Low}} {
		limit := step.limit
		if w.level >= step.level {
			limit += margin(limit)
		}
		if room < limit {
			return step.level
		}
	}
	return Fine
}

// room is what would be free if the ballast were there whole. Where it cannot be known only test writes count.
func (w *Watch) room() uint64 {
	if w.last.FreeErr != nil && errors.Is(w.last.FreeErr, errors.ErrUnsupported) {
		return math.MaxUint64
	}
	missing := w.limits.Ballast - min(w.last.Ballast, w.limits.Ballast)
	return w.last.Free - min(missing, w.last.Free)
}

// Level returns the present level.
func (w *Watch) Level() Level { return w.level }

// MustClose reports whether the store must be closed now. Those who reserved room are waited for, for two minutes, as
// long as half of the limit is left and writes succeed.
func (w *Watch) MustClose(now time.Time) bool {
	if w.level != Closed {
		return w.level > Closed
	}
	return w.holders == 0 || now.Sub(w.since) >= patience || w.room() < w.limits.Close/2
}

// MayReopen reports whether a store that is closed may be opened, and a till started.
func (w *Watch) MayReopen() bool { return w.level.open() }

// Next returns when to look again, and whether to make a test write then.
func (w *Watch) Next() (wait time.Duration, probe bool) {
	wait = whileDown
	if w.level.open() {
		wait = min(max(w.distance(), shortest), longest)
	}
	due := w.fault != Unknown || w.probed.IsZero() || w.at.Add(wait).Sub(w.probed) >= probeEvery
	return wait, due
}

// distance is how long the fastest writer needs to the next limit below.
func (w *Watch) distance() time.Duration {
	room, below := w.room(), uint64(0)
	for _, limit := range []uint64{w.limits.Warn, w.limits.NoNewTabs, w.limits.Close} {
		if limit <= room {
			below = limit
			break
		}
	}
	return time.Duration(min((room-below)/(fastest/1000), math.MaxInt32)) * time.Millisecond
}
