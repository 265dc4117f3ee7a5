package pairing

import (
	"slices"
	"time"
)

const (
	// MaxTries is how many failed requests close the door of a till, and bar an address.
	MaxTries = 3
	// TriesWindow is the time within which they count together, and how long the door then stays closed.
	TriesWindow = 15 * time.Minute
)

// tries counts the failed requests of a till or of one address.
type tries struct {
	failed []time.Time // oldest first, fewer than MaxTries
	until  time.Time   // closed before that
}

func (t *tries) closed(now time.Time) bool { return now.Before(t.until) }

// fail counts one, and reports whether that closed the door. While it is closed nothing is counted.
func (t *tries) fail(now time.Time) bool {
	if t.closed(now) {
		return false
	}
	t.forget(now)
	t.failed = append(t.failed, now)
	if len(t.failed) < MaxTries {
		return false
	}
	t.failed, t.until = nil, now.Add(TriesWindow)
	return true
}

// forget drops what is too old to count and reports whether anything is left.
func (t *tries) forget(now time.Time) (left bool) {
	for len(t.failed) > 0 && now.Sub(t.failed[0]) >= TriesWindow {
		t.failed = t.failed[1:]
	}
	return len(t.failed) > 0 || t.closed(now)
}

// pardon gives one more try to an address that has none.
func (t *tries) pardon(now time.Time) {
	if t.closed(now) {
		t.failed, t.until = slices.Repeat([]time.Time{now}, MaxTries-1), time.Time{}
	}
}
