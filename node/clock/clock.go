package clock

import (
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of the rules in the comment of the package, in milliseconds.
const (
	// Tolerance is the offset from which on a clock is wrong beyond use.
	Tolerance = int64(10 * time.Minute / time.Millisecond)
	// WarnFrom is the offset from which on people are told.
	WarnFrom = int64(2 * time.Second / time.Millisecond)
	// Epoch is 2020-01-01 00:00 UTC: no stamp is before it.
	Epoch = int64(crdt.BootEpoch) * 1000

	latest     = int64(253402300799999)                     // the last millisecond of the year 9999
	jumpFrom   = WarnFrom                                   // from which on a step of the wall clock is a jump
	slewPPM    = 500                                        // a clock that is slewed changes by no more
	driftPPM   = 200                                        // a bound of an answer grows by this
	staleAfter = int64(10 * time.Minute / time.Millisecond) // from which on an answer has no vote
	longestAsk = int64(10 * time.Second / time.Millisecond) // an answer that took longer says too little
	maxPeers   = 256
)

// Reading is one look at both clocks of this machine.
type Reading struct {
	WallMS int64         // Unix milliseconds
	Mono   time.Duration // of a clock that never jumps, since any moment of this process
}

func (r Reading) monoMS() int64 { return r.Mono.Milliseconds() }

// Sample is the answer to one probe.
type Sample struct {
	Sent, Received Reading
	PeerMS         int64 // what the other clock said
}

// Config is what [New] needs. The zero value is usable.
type Config struct {
	// NotBefore is a time in Unix milliseconds that has certainly passed, such as when the program was built. Not before
	// 2020 in any case.
	NotBefore int64
	// Last is what was saved before; the zero value if nothing was.
	Last State
}

// Source says what the offset rests on.
type Source uint8

// The sources. Their numbers are saved: append only.
const (
	None       Source = 0 // nobody was asked yet, or nothing could be decided
	Remembered Source = 1 // from before the restart, or from tills that are no longer reachable
	Tills      Source = 2
	Cloud      Source = 3
)

// String returns "none", "remembered", "tills" or "cloud".
func (s Source) String() string {
	return [...]string{"none", "remembered", "tills", "cloud"}[min(s, Cloud)]
}

// MarshalText returns the name.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Jump is a step of the own wall clock.
type Jump struct {
	AtMS int64 // wall clock after it
	ByMS int64 // positive: forward; a machine that slept looks the same
}

const jumpsKept = 8

// Clock follows the clock of one till. Make it with [New].
type Clock struct {
	floor int64
	now   Reading
	peers map[crdt.TillID]*samples
	cloud *samples

	offset       int64
	source       Source
	decided      bool                 // an offset was decided once
	decidedMS    int64                // business time of the last decision
	contradicted bool                 // a clock beyond Tolerance was seen once
	agreed       bool                 // decided below Tolerance in this run, and no jump beyond Tolerance since
	byCloud      bool                 // the cloud said so, too
	met          map[crdt.TillID]bool // whose clocks agreed with this one in this run, no such jump since
	pending      bool                 // jumped beyond Tolerance, not compared since
	suspect      bool                 // jumped beyond Tolerance after it had agreed: rule 5
	wanted       bool
	split        *split // rule 4 applies
	jumps        []Jump
	jumped       int
}

// New returns the clock of a till that starts at now.
func New(now Reading, cfg Config) *Clock {
	c := &Clock{floor: min(max(cfg.NotBefore, Epoch), latest), now: now, peers: make(map[crdt.TillID]*samples),
		met: make(map[crdt.TillID]bool), wanted: true}
	last := cfg.Last
	if !last.Decided && !last.Contradicted && last.BusinessMS == 0 {
		return c
	}
	c.decided, c.contradicted, c.decidedMS = last.Decided, last.Contradicted, last.DecidedMS
	c.offset = last.OffsetMS
	if c.decided {
		c.source = Remembered
	}
	switch {
	case now.WallMS < c.floor:
		c.offset = max(last.BusinessMS, c.floor) - now.WallMS
	case now.WallMS+c.offset < last.BusinessMS:
		c.offset = 0
		// The offset is gone, and with it what was known; whether the clock is right now nobody has said.
		c.pending = abs(last.OffsetMS) >= Tolerance
	}
	return c
}

// Tick looks at the own clocks. Call it every few seconds, so that jumps are noticed; all other methods with a Reading
// do it too.
func (c *Clock) Tick(now Reading) {
	passed := max(now.monoMS()-c.now.monoMS(), 0)
	by := now.WallMS - c.now.WallMS - passed
	c.now = now
	if abs(by) >= jumpFrom+passed*slewPPM/1_000_000 {
		c.jump(by)
	}
	c.decide()
}

func (c *Clock) jump(by int64) {
	c.jumped++
	if c.jumps = append(c.jumps, Jump{AtMS: c.now.WallMS, ByMS: by}); len(c.jumps) > jumpsKept {
		c.jumps = slices.Delete(c.jumps, 0, 1)
	}
	compared := len(c.peers) > 0 || c.cloud != nil
	if abs(c.offset-by) < abs(c.offset) {
		c.offset -= by // towards the offset: set right
	}
	if abs(by) >= Tolerance {
		c.suspect = c.suspect || c.agreed
		c.agreed, c.byCloud = false, false
		clear(c.met)
		c.pending = c.pending || compared
	}
	clear(c.peers)
	c.cloud, c.split, c.wanted = nil, nil, true
	if c.source != None {
		c.source = Remembered
	}
}

// Observe takes the answer of another till.
func (c *Clock) Observe(peer crdt.TillID, s Sample) {
	c.Tick(s.Received)
	if !c.usable(s) {
		return
	}
	if c.peers[peer] == nil {
		if len(c.peers) >= maxPeers {
			return
		}
		c.peers[peer] = &samples{}
	}
	c.peers[peer].add(s)
	c.decide()
}

// ObserveCloud takes the answer of the cloud.
func (c *Clock) ObserveCloud(s Sample) {
	c.Tick(s.Received)
	if !c.usable(s) {
		return
	}
	if c.cloud == nil {
		c.cloud = &samples{}
	}
	c.cloud.add(s)
	c.decide()
}

// usable refuses answers that say nothing: too slow, impossible, or with a jump of the own clock in between.
func (c *Clock) usable(s Sample) bool {
	took := s.Received.monoMS() - s.Sent.monoMS()
	return took >= 0 && took <= longestAsk && s.PeerMS >= 0 && s.PeerMS <= latest &&
		abs(s.Received.WallMS-s.Sent.WallMS-took) < jumpFrom
}

// Lost says that a till is no longer reachable; its clock has no vote any more.
func (c *Clock) Lost(peer crdt.TillID, now Reading) {
	delete(c.peers, peer)
	c.Tick(now)
}

// LostCloud says the same of the cloud. Its last answer counts for ten minutes all the same.
func (c *Clock) LostCloud(now Reading) { c.Tick(now) }

// Wanted reports whether probes should be sent at once, once after each jump and at the start.
func (c *Clock) Wanted() bool {
	w := c.wanted
	c.wanted = false
	return w
}

// Offset returns by how much the own wall clock is behind, in milliseconds; negative if it is ahead.
func (c *Clock) Offset() int64 { return c.offset }

// Trusted reports whether stamps of now are trusted.
func (c *Clock) Trusted() bool {
	switch {
	case c.pending, c.now.WallMS < c.floor:
		return false
	case c.split != nil && !c.split.steady:
		return false
	case c.decided:
		return abs(c.offset) < Tolerance
	}
	return !c.contradicted
}

// Stamp returns the stamp of a commit written now, never before 2020. Later stamps may be earlier.
func (c *Clock) Stamp(now Reading) crdt.Stamp {
	c.Tick(now)
	return crdt.Stamp{Trusted: c.Trusted(), MS: c.BusinessMS(now)}
}

// BusinessMS returns the time for receipts, in Unix milliseconds, never before 2020.
func (c *Clock) BusinessMS(now Reading) int64 {
	c.Tick(now)
	return min(max(now.WallMS+c.offset, Epoch), latest)
}

func abs(ms int64) int64 { return max(ms, -ms) }
