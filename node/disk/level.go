package disk

// Level is how a disk is doing. Levels are ordered: a higher one allows less.
type Level int

// The levels, see the comment of the package. Unknown is what a watch says before its first sample; it allows nothing.
const (
	Unknown Level = iota
	Fine
	Low
	NoNewTabs
	Closed
	Full
	ReadOnly
	Failing
)

var levelNames = [...]string{"unknown", "fine", "low", "no-new-tabs", "closed", "full", "read-only", "failing"}

// String returns the name used in the API: "unknown", "fine", "low", "no-new-tabs", "closed", "full", "read-only",
// "failing".
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return "unknown"
	}
	return levelNames[l]
}

// MarshalText returns the name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// open reports whether the store may be open.
func (l Level) open() bool { return l >= Fine && l <= NoNewTabs }

// MayOpenTab reports whether a new tab may be opened.
func (l Level) MayOpenTab() bool { return l == Fine || l == Low }

// MayFinish reports whether open tabs may be changed and closed. Whoever is about to take money asks for room first, see
// [Watch.Reserve].
func (l Level) MayFinish() bool { return l.open() }

// TakeForeign reports whether a commit of another till may be stored; ofOpenTab says whether it belongs to a tab that is
// open here.
func (l Level) TakeForeign(ofOpenTab bool) bool { return l.MayOpenTab() || ofOpenTab && l.MayFinish() }
