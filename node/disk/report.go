package disk

import "time"

// Report is how a disk is doing, for people.
type Report struct {
	Level    Level
	For      time.Duration // how long it has been so
	Age      time.Duration // of the last look
	Known    bool          // Free and Room are known
	Free     uint64        // bytes
	Room     uint64        // bytes free if the ballast were there whole; what the limits are held against
	Ballast  uint64        // bytes the ballast file occupies
	Reserved uint64        // bytes kept for sales under way
	Limits   Limits
	Close    bool  // the store must be closed now, see Watch.MustClose
	Fault    error // of the last write that failed, while Level is Full, ReadOnly or Failing
}

// Report returns how the disk is doing.
func (w *Watch) Report(now time.Time) Report {
	r := Report{Level: w.level, Ballast: w.last.Ballast, Reserved: w.reserved, Limits: w.limits, Fault: w.faultErr,
		Close: w.MustClose(now)}
	if w.at.IsZero() {
		return r
	}
	r.For, r.Age = now.Sub(w.since), now.Sub(w.at)
	if r.Known = w.last.FreeErr == nil; r.Known {
		r.Free, r.Room = w.last.Free, w.room()
	}
	return r
}

// Sentence says in one sentence how the disk is doing, without a full stop.
func (r Report) Sentence() string {
	switch r.Level {
	case Fine:
		if !r.Known {
			return "the disk of this till takes writes; how much room it has is not known"
		}
		return "the disk of this till has room: " + size(r.Room) + " are free"
	case Low:
		return "the disk of this till is getting full: " + size(r.Room) + " are free"
	case NoNewTabs:
		return "the disk of this till is nearly full: " + size(r.Room) + " are free. Open receipts can be finished, new ones cannot be started"
	case Closed:
		return "the disk of this till is full: " + size(r.Room) + " are free. This till does not sell until there is room"
	case Full:
		return "the disk of this till takes no more data, although some room seems to be left. This till does not sell until there is room"
	case ReadOnly:
		return "the disk of this till can only be read. This till does not sell until it can be written"
	case Failing:
		return "the disk of this till answers with errors. This till does not sell until it can be written"
	}
	return "the disk of this till was not looked at yet"
}

// Next says what to do, empty if nothing.
func (r Report) Next() string {
	switch r.Level {
	case Low, NoNewTabs:
		return "delete files that are not needed on this till; it needs " + size(r.need()) + " more"
	case Closed:
		return "delete files that are not needed on this till; it needs " + size(r.need()) +
			" more and then goes on by itself. Until then sell on another till"
	case Full:
		return "delete files that are not needed on this till, or raise the quota of its user; it goes on by itself. Until then sell on another till"
	case ReadOnly, Failing:
		return "sell on another till and have the disk of this one checked; it goes on by itself once the disk can be written"
	}
	return ""
}

// need is how much must be freed to leave the level.
func (r Report) need() uint64 {
	limit := map[Level]uint64{Low: r.Limits.Warn, NoNewTabs: r.Limits.NoNewTabs, Closed: r.Limits.Close}[r.Level]
	limit += margin(limit)
	return limit - min(limit, r.Room) + mib // rounded up: an exact figure would not suffice
}
