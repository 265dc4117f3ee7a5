package clock

import (
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Report is how the clocks are, for people. Offsets are in milliseconds, positive where a clock is ahead.
type Report struct {
	Trusted   bool
	OffsetMS  int64 // to add to the own wall clock
	Source    Source
	DecidedMS int64 // business time of the last comparison that decided; 0: never
	Warn      bool  // people should be told: something is wrong by 2 s or more, or nothing is known after a jump

	AheadMS    int64 // own clock
	Impossible bool  // the own clock shows a time that cannot be
	Peers      []Peer
	Split      *Split // nobody knows which of these is right
	Jumps      []Jump // the last eight
	JumpsInAll int
	DriftMS    int64 // a day by which the own clock runs faster than the others, once DriftKnown
	DriftKnown bool
}

// Peer is the clock of another till.
type Peer struct {
	Till      crdt.TillID
	AheadMS   int64 // of this till's business time
	ErrMS     int64
	AgeMS     int64 // of its last answer
	Wrong     bool  // by 2 s or more beyond the error, by the time this till believes; meaningless while Split
	CanBeTrue bool  // it shows a time that can be
}

// Split are two clocks in the middle, 10 minutes or more apart. A zero ID is this till.
type Split struct {
	Early, Late crdt.TillID
	ApartMS     int64
}

// Report returns how the clocks are.
func (c *Clock) Report(now Reading) Report {
	c.Tick(now)
	r := Report{
		Trusted: c.Trusted(), OffsetMS: c.offset, Source: c.source, DecidedMS: c.decidedMS, AheadMS: -c.offset,
		Impossible: now.WallMS < c.floor, Jumps: slices.Clone(c.jumps), JumpsInAll: c.jumped,
	}
	if c.split != nil {
		r.Split = &Split{Early: c.split.lo.till, Late: c.split.hi.till, ApartMS: c.split.hi.offset - c.split.lo.offset}
	}
	r.Warn = abs(r.AheadMS) >= WarnFrom || r.Split != nil || !r.Trusted
	var drifts []int64
	for _, v := range c.votes() {
		if v.till.IsZero() {
			continue
		}
		p := Peer{Till: v.till, AheadMS: v.offset - c.offset, ErrMS: v.err, AgeMS: v.age, CanBeTrue: v.possible}
		p.Wrong = abs(p.AheadMS)-p.ErrMS >= WarnFrom
		r.Warn = r.Warn || p.Wrong
		r.Peers = append(r.Peers, p)
		if d, ok := c.peers[v.till].drift(); ok {
			drifts = append(drifts, -d)
		}
	}
	if len(drifts) > 0 {
		// The own clock counts as one that does not drift, so that one bad neighbour is not believed.
		drifts = append(drifts, 0)
		slices.Sort(drifts)
		r.DriftMS, r.DriftKnown = drifts[len(drifts)/2], true
		if len(drifts)%2 == 0 {
			r.DriftMS = min(max(0, drifts[len(drifts)/2-1]), drifts[len(drifts)/2])
		}
	}
	slices.SortFunc(r.Peers, func(a, b Peer) int { return a.Till.Compare(b.Till) })
	return r
}

// Sentence says in one sentence what is wrong, without a full stop; empty if nothing is. name gives the name of a till,
// and of this one for the zero ID.
func (r Report) Sentence(name func(crdt.TillID) string) string {
	switch {
	case r.Impossible:
		return "the clock of " + name(crdt.TillID{}) + " shows a time that cannot be"
	case r.Split != nil:
		return fmt.Sprintf("the clocks of %s and %s differ by %s, and nobody knows which is right",
			name(r.Split.Early), name(r.Split.Late), span(r.Split.ApartMS))
	case abs(r.AheadMS) >= WarnFrom:
		return fmt.Sprintf("the clock of %s is %s", name(crdt.TillID{}), ahead(r.AheadMS))
	case !r.Trusted:
		return "the clock of " + name(crdt.TillID{}) + " was changed and could not be compared since"
	}
	for _, p := range r.Peers {
		if p.Wrong {
			return fmt.Sprintf("the clock of %s is %s", name(p.Till), ahead(p.AheadMS))
		}
	}
	return ""
}

func ahead(ms int64) string {
	if ms < 0 {
		return span(ms) + " behind"
	}
	return span(ms) + " ahead"
}

// span writes a difference for people, to the nearest unit: "26 h", "11 min", "3 s"; days from 48 hours on.
func span(ms int64) string {
	s := (abs(ms) + 500) / 1000
	switch {
	case s >= 48*3600:
		return fmt.Sprintf("%d days", (s+43200)/86400)
	case s >= 2*3600:
		return fmt.Sprintf("%d h", (s+1800)/3600)
	case s >= 2*60:
		return fmt.Sprintf("%d min", (s+30)/60)
	}
	return fmt.Sprintf("%d s", s)
}
