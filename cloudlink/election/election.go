package election

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Timing is how fast changes are noticed, and what that costs.
type Timing struct {
	// Settle is how long after the start nobody is elected, so that the others can be heard, unless one that holds the lease was
	// heard. Zero means 1.5 s.
	Settle time.Duration
	// Grace is how long a till may be without a link before it counts as gone; links are made anew now and then. Zero means 1 s.
	Grace time.Duration
	// Tell is how often the till that holds the lease says so, about 90 bytes to each other till. Zero means 4 s.
	Tell time.Duration
	// Silence is how long a till that holds the lease may say nothing; more than Tell, by what a slow line or a busy machine
	// takes. Zero means 7 s.
	Silence time.Duration
	// Idle is how often the other tills repeat what they say. They are forgotten after three times that. Zero means 30 s.
	Idle time.Duration
}

func (t Timing) orDefaults() Timing {
	return Timing{
		Settle: cmp.Or(t.Settle, 1500*time.Millisecond), Grace: cmp.Or(t.Grace, time.Second), Tell: cmp.Or(t.Tell, 4*time.Second),
		Silence: cmp.Or(t.Silence, 7*time.Second), Idle: cmp.Or(t.Idle, 30*time.Second),
	}
}

// Decision is the present answer.
type Decision struct {
	Uplink crdt.TillID // who forwards; zero: not decided yet
	Self   bool        // that is this till
	Holder crdt.TillID // who is known to hold the lease and forwards; zero: nobody is
	Since  time.Time   // when Uplink became so here
	// Before is who was elected here before, and Detector why it is not any more.
	Before   crdt.TillID
	Detector Detector
	// Gone is the term of the lease whose holder was lost, to be told to the cloud; 0: nobody was.
	Gone uint64
}

// Election is what one till knows. Its methods are called with the time of one clock that never goes back; the caller steps it: after
// any input, and at [Election.Next], it asks [Election.Decide] and sends what is [Election.Due].
type Election struct {
	self   crdt.TillID
	timing Timing
	began  time.Time
	active map[crdt.TillID]bool // the roster without this till
	known  map[crdt.TillID]*member
	own    Claim
	ownAt  time.Time
	spoken uint64 // grows when the own claim says something new
	last   Decision
	lost   lease // of the holder known last
}

// lease is whose lease of which term was known last.
type lease struct {
	till crdt.TillID
	term uint64
}

// member is what is known of another till.
type member struct {
	linked  bool
	since   time.Time // when linked became so
	dead    bool      // as membership says
	deadAt  time.Time
	claim   Claim
	heardAt time.Time // zero: it never spoke
	told    uint64    // spoken when it was told last; 0: never on this link
	toldAt  time.Time
	telling bool // it is being told; what is said meanwhile must not overtake
}

// New returns the election of a till that starts now.
func New(self crdt.TillID, timing Timing, now time.Time) *Election {
	return &Election{
		self: self, timing: timing.orDefaults(), began: now, known: make(map[crdt.TillID]*member), active: make(map[crdt.TillID]bool),
		own: Claim{Seen: -1}, ownAt: now, spoken: 1,
	}
}

// Active says which tills the roster has; with this one or without.
func (e *Election) Active(tills []crdt.TillID) {
	e.active = make(map[crdt.TillID]bool, len(tills))
	for _, till := range tills {
		if till != e.self {
			e.active[till] = true
		}
	}
	maps.DeleteFunc(e.known, func(till crdt.TillID, m *member) bool { return !e.active[till] && !m.linked })
}

// Links says which tills have a link that is ready, all of them.
func (e *Election) Links(now time.Time, tills []crdt.TillID) {
	linked := make(map[crdt.TillID]bool, len(tills))
	for _, till := range tills {
		if till == e.self {
			continue
		}
		linked[till] = true
		if e.known[till] == nil {
			e.known[till] = &member{}
		}
	}
	for till, m := range e.known {
		if m.linked == linked[till] {
			continue
		}
		m.linked, m.since = linked[till], now
		m.told = 0
		if m.linked {
			m.dead = false
		}
	}
}

// Alive says what membership knows of a till.
func (e *Election) Alive(now time.Time, till crdt.TillID, alive bool) {
	m := e.known[till]
	if m == nil || m.dead == !alive {
		return
	}
	m.dead, m.deadAt = !alive, now
}

// Heard takes what a linked till claims.
func (e *Election) Heard(now time.Time, till crdt.TillID, c Claim) {
	if till == e.self {
		return
	}
	m := e.known[till]
	if m == nil {
		m = &member{since: now}
		e.known[till] = m
	}
	m.claim, m.heardAt = c, now
	if m.dead && now.After(m.deadAt) {
		m.dead = false // who speaks is alive, whatever gossip says
	}
}

// Own says what this till knows of its own way to the cloud.
func (e *Election) Own(now time.Time, c Claim) {
	if c.Reach != e.own.Reach || c.Term != e.own.Term {
		e.spoken++
	}
	e.own, e.ownAt = c, now
}

// Claim returns the own claim as it is now.
func (e *Election) Claim(now time.Time) Claim {
	c, passed := e.own, now.Sub(e.ownAt)
	c.Since += passed
	if c.Seen >= 0 {
		c.Seen += passed
	}
	c.Left = max(0, c.Left-passed)
	return c
}

// Due returns the tills that are to be told the own claim now, by ID.
func (e *Election) Due(now time.Time) []crdt.TillID {
	var out []crdt.TillID
	for till, m := range e.known {
		if m.linked && !m.telling && e.active[till] && (m.told != e.spoken || now.Sub(m.toldAt) >= e.every()) {
			out = append(out, till)
		}
	}
	slices.SortFunc(out, crdt.TillID.Compare)
	return out
}

// Telling notes that the own claim is on its way to a till as it is now. Another one is due only after Told.
func (e *Election) Telling(now time.Time, till crdt.TillID) {
	if m := e.known[till]; m != nil {
		m.telling, m.told, m.toldAt = true, e.spoken, now
	}
}

// Told notes that a till answered, or did not: it is told again with the next change or in time.
func (e *Election) Told(till crdt.TillID) {
	if m := e.known[till]; m != nil {
		m.telling = false
	}
}

func (e *Election) every() time.Duration {
	if e.own.Term > 0 {
		return e.timing.Tell
	}
	return e.timing.Idle
}

// Known is what is known of another till.
type Known struct {
	Till    crdt.TillID
	Linked  bool
	Claim   Claim     // as it said it; durations count from Heard
	Heard   time.Time // zero: it never said anything
	Missing Detector  // why it cannot be elected; None if it can, or if it never said anything
}

// Known returns what is known of the other tills of the shop, by ID.
func (e *Election) Known(now time.Time) []Known {
	var out []Known
	for till := range e.active {
		k := Known{Till: till, Missing: e.missing(now, till)}
		if m := e.known[till]; m != nil {
			k.Linked, k.Claim, k.Heard = m.linked, m.claim, m.heardAt
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Known) int { return a.Till.Compare(b.Till) })
	return out
}
