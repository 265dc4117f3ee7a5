package disk

import (
	"errors"
	"fmt"
)

// Limits say how much room is enough, in bytes. They are settings; [DefaultLimits] has what they are without.
type Limits struct {
	Warn      uint64 // below: warn
	NoNewTabs uint64 // below: no new tab
	Close     uint64 // below: close the store
	Ballast   uint64 // size of the ballast file; 0 means none
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// DefaultLimits are 2 GB, 500 MB, 200 MB, and a ballast of 64 MB.
func DefaultLimits() Limits {
	return Limits{Warn: 2 * gib, NoNewTabs: 500 * mib, Close: 200 * mib, Ballast: 64 * mib}
}

// Check reports limits that contradict each other.
func (l Limits) Check() error {
	switch {
	case l.Close == 0:
		return errors.New("disk limits: the one that closes the store may not be 0: on a full disk the program dies")
	case l.NoNewTabs <= l.Close || l.Warn < l.NoNewTabs:
		return fmt.Errorf("disk limits: warn %s, no new tab %s, close %s: each must be more than the next",
			size(l.Warn), size(l.NoNewTabs), size(l.Close))
	}
	return nil
}

// margin is how much more than a limit must be free before the level above it is believed.
func margin(limit uint64) uint64 { return limit / 10 }

// size writes bytes for people: "1.9 GB", "480 MB", "12 KB".
func size(b uint64) string {
	switch {
	case b >= gib:
		return fmt.Sprintf("%d.%d GB", b/gib, b%gib*10/gib)
	case b >= mib:
		return fmt.Sprintf("%d MB", b/mib)
	default:
		return fmt.Sprintf("%d KB", b/kib)
	}
}
