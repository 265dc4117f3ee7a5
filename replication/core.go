package replication

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Timers are only a safety net: whatever matters happens on an event. These are the defaults.
const (
	helloEvery   = 30 * time.Second        // compare states on a quiet link
	pullPatience = 10 * time.Second        // give up on an answer that does not move
	quietAfter   = 1500 * time.Millisecond // nothing changed for so long: who is not known to hold the same is asked
	haveGather   = time.Second             // gather what is durable before telling it
	havePatience = 100 * time.Millisecond  // wait for the push of what a peer says it has
	claimPause   = 200 * time.Millisecond  // before asking again after a claim was dropped
)

// Bounds of what a link may hold in memory.
const (
	maxPushQueue = 1 << 20   // bytes of pushes waiting for a slow peer; beyond it they are dropped and compared later
	pushFrame    = 1 << 20   // bytes of one Push frame
	readChunk    = 256 << 10 // bytes of commits in one frame of an answer
	maxServes    = 16        // answers a peer may ask for at once
	maxRounds    = 8         // how often an answer may be prolonged by what arrived meanwhile
	maxOut       = 4096      // messages waiting for a peer that goes on asking
	maxScopes    = 1024      // scopes a peer may tell of
	maxRuns      = 1 << 20   // runs that are remembered of what one till holds
)

// The reasons for which a link is refused or ended, as they stand in Bye.
var (
	ErrWrongShop   = errors.New("the other till belongs to another shop")
	ErrVersion     = errors.New("the other till speaks no protocol version this one knows; update the older one")
	ErrIdentity    = errors.New("the other till says it is not who its key says")
	ErrProtocol    = errors.New("the other till broke the protocol")
	ErrDoubt       = errors.New("this till is in doubt about its own store")
	ErrStoreFailed = errors.New("the store failed")
)

// ErrNewer and ErrOlder are the two kinds of [ErrVersion].
var (
	ErrNewer = fmt.Errorf("%w: it is the newer one", ErrVersion) // this program is to be updated
	ErrOlder = fmt.Errorf("%w: it is the older one", ErrVersion) // the other till's is
)

// Config is what a Core starts from.
type Config struct {
	Shop     crdt.ShopID
	Till     crdt.TillID
	Replica  crdt.ReplicaID
	Boot     uint32   // number of this start, durable already
	Nonce    [16]byte // fresh random bytes
	Program  string   // version of the program, at most 64 bytes
	Roster   Roster
	Contexts map[crdt.Scope]crdt.Context // what the store holds; the core takes it over
	Digests  map[crdt.Scope]crdt.Digest
	Heads    map[crdt.Scope]Head
	// Jitter returns a number in [0, n); it spreads timers. nil means none.
	Jitter func(n time.Duration) time.Duration

	// AuditEvery is about how often the own rows and each till that holds the same are audited. Zero: never, and a till
	// that asks is put off; the driver needs no NextAudit then.
	AuditEvery time.Duration
	// Damaged are scopes of which rows were missing when the till last ran; see DamageNote.
	Damaged []crdt.Scope

	// Active returns the tills of the shop that were neither retired nor revoked, this one included, and the clouds that are
	// coupled. With it, starts are joined once all of them agreed; nil: never. It does not block.
	Active func() []crdt.TillID
	// Ended returns replicas under which nobody writes any more: sealed lineages, and those of tills that left. nil: none.
	// It does not block.
	Ended func() []crdt.ReplicaID
	// Clouds returns the peers that only some tills link with, this one not included if it is one. What is known of them is told to
	// those that do not, and to them what tills agreed on. They belong into Active as well. nil: there are none, and none is taken
	// from others. It does not block.
	Clouds func() []Cloud
	// Unmoved reports whether this program goes on as it is though another one runs with its key, because that one is the
	// copy, or because this one does nothing any more that could do harm. It is no doubt then, only an EventCopy. nil: never.
	// It does not block.
	Unmoved func(self, other Speaker) bool

	// Agreed are the marks that the store has, by scope; with them, not nil, new ones are written as they move. See
	// AgreedNote.
	Agreed map[crdt.Scope]crdt.Seq
}

// LinkID names a link within a Core.
type LinkID uint64

// Event is something the driver has to know or act on.
type Event struct {
	Kind  EventKind
	Link  LinkID
	Till  crdt.TillID
	ID    uint64 // Asked, Answered
	Topic string // Asked
	OK    bool   // Answered
	Body  []byte // Asked, Answered
	Text  string // Doubt, Notice, Fork, Twice, Copy, Audit: one sentence

	Doubt    DoubtKind    // Doubt
	Speakers []Speaker    // Twice, Copy, and Doubt if a peer met two
	Fork     *Fork        // Fork
	Audit    *AuditResult // Audit
}

// EventKind tells events apart.
type EventKind uint8

// The events.
const (
	EventReady    EventKind = iota + 1 // the peer's Hello was accepted
	EventEqual                         // the states are equal
	EventAsked                         // answer it with Core.Answer
	EventAnswered                      //
	EventDoubt                         // the lineage of this store is in doubt: nothing own is written any more
	EventNotice                        // worth a line in the log and a count
	EventFork                          // two commits exist under one dot; both are kept
	EventTwice                         // the key of another till speaks from two running programs
	EventAudit                         // an audit found a difference, or could not be done
	EventAudited                       // everything that Core.Audit with this ID asked for has ended
	EventCopy                          // another program runs with this till's key, and this one goes on all the same
)

// Core is the replication of one till without its I/O.
type Core struct {
	cfg      Config
	contexts map[crdt.Scope]crdt.Context
	digests  map[crdt.Scope]crdt.Digest
	links    map[LinkID]*link
	nextLink LinkID
	held     map[crdt.TillID]map[crdt.Scope]crdt.Context // what other tills are known to hold
	told     uint64                                      // rises when a till said that it holds more
	have     map[crdt.Scope]crdt.Context                 // durable, not told yet
	haveAt   time.Time                                   // when to tell it; zero: nothing to tell
	whole    map[crdt.Scope]bool                         // pull all that is missing at once: a claim was dropped
	changed  time.Time                                   // when something last changed here or was told by a peer
	events   []Event
	stats    Stats
	met      meetings              // nonces of other tills
	copyMet  [16]byte              // hashed nonce of the program with this till's key that was told last
	doubts   map[DoubtKind]bool    // told
	paused   func(crdt.Scope) bool // scopes of which nothing foreign is taken now; nil: none
	wall     time.Duration         // the wall clock minus the clock that drives the core
	audit    auditor
	agreed   map[crdt.TillID]map[crdt.Scope]crdt.Context // what a till and this one both held when an audit found them equal
	joining  map[crdt.Scope]bool                         // a claim of gaps between starts is being written
	runs     map[crdt.TillID]int                         // about how many runs are remembered of a till
	marks    marks
	relay    relays
	committer
}

// Stats counts what happened since the start.
type Stats struct {
	CommitsOwn, CommitsForeign, CommitsKnown uint64 // written here, taken from others, already held
	PushesRefused                            uint64 // commits pushed by a till they do not belong to
	PushesDropped                            uint64 // queues that overflowed
	Claims, ClaimsDropped                    uint64
	PullsTimedOut                            uint64
	DigestsDiffer                            uint64 // equal contexts with unequal digests
	Forks                                    uint64
	Audits, Repairs                          uint64 // scopes compared with a till, commits put back here
	Paused                                   uint64 // commits not taken because their scope was paused
	Twice                                    uint64 // keys that were found to speak from two programs
}

// NewCore returns a core that holds what cfg says.
func NewCore(cfg Config) *Core {
	if cfg.Contexts == nil {
		cfg.Contexts = make(map[crdt.Scope]crdt.Context)
	}
	if cfg.Digests == nil {
		cfg.Digests = make(map[crdt.Scope]crdt.Digest)
	}
	if cfg.Jitter == nil {
		cfg.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	c := &Core{
		cfg:      cfg,
		contexts: cfg.Contexts,
		digests:  cfg.Digests,
		links:    make(map[LinkID]*link),
		held:     make(map[crdt.TillID]map[crdt.Scope]crdt.Context),
		have:     make(map[crdt.Scope]crdt.Context),
		whole:    make(map[crdt.Scope]bool),
		met:      make(meetings),
		doubts:   make(map[DoubtKind]bool),
		agreed:   make(map[crdt.TillID]map[crdt.Scope]crdt.Context),
		joining:  make(map[crdt.Scope]bool),
		runs:     make(map[crdt.TillID]int),
	}
	c.audit.init(cfg.Damaged)
	c.marks.init(cfg.Agreed)
	c.committer.init(cfg.Heads)
	return c
}

// SetWall says how far the wall clock is from the clock that drives the core; peers are told of the wall clock.
func (c *Core) SetWall(offset time.Duration) { c.wall = offset }

// Stats returns the counters.
func (c *Core) Stats() Stats { return c.stats }

// Events returns what happened since it was last called.
func (c *Core) Events() []Event {
	e := c.events
	c.events = nil
	return e
}

func (c *Core) event(e Event) { c.events = append(c.events, e) }

// Context returns what is durable here of a scope. It must not be changed and is valid until the next call.
func (c *Core) Context(scope crdt.Scope) crdt.Context { return c.contexts[scope] }

// Digest returns the digest of a scope.
func (c *Core) Digest(scope crdt.Scope) crdt.Digest { return c.digests[scope] }

// Scopes returns the scopes that hold anything, sorted.
func (c *Core) Scopes() []crdt.Scope {
	return slices.SortedFunc(maps.Keys(c.contexts), crdt.Scope.Compare)
}

// Holders returns the other tills known to hold a commit durably, sorted. A till that is away counts: it still has it.
func (c *Core) Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID {
	c.clouds()
	var out []crdt.TillID
	for till, scopes := range c.held {
		if scopes[scope].Has(d) {
			out = append(out, till)
		}
	}
	slices.SortFunc(out, crdt.TillID.Compare)
	return out
}

// Lacks returns what is held here and a peer is not known to hold, by scope; nothing of scopes that it holds whole.
func (c *Core) Lacks(peer crdt.TillID) map[crdt.Scope]crdt.Context {
	out := make(map[crdt.Scope]crdt.Context)
	for scope, mine := range c.contexts {
		if missing := mine.Minus(c.held[peer][scope]); len(missing) > 0 {
			out[scope] = missing
		}
	}
	return out
}

// Told returns a number that rises whenever another till said that it holds more: what Holders answers may have changed.
func (c *Core) Told() uint64 { return c.told }

// Forget drops what is known about what a till holds: it was revoked or its store is in doubt.
func (c *Core) Forget(till crdt.TillID) {
	delete(c.held, till)
	delete(c.agreed, till)
	c.audit.forget(till)
	for _, l := range c.links {
		maps.DeleteFunc(l.relayed.told, func(key relayKey, _ crdt.Context) bool { return key.peer == till })
	}
}

func (c *Core) heldBy(till crdt.TillID, scope crdt.Scope) crdt.Context {
	scopes := c.held[till]
	if scopes == nil {
		scopes = make(map[crdt.Scope]crdt.Context)
		c.held[till] = scopes
	}
	if scopes[scope] == nil {
		scopes[scope] = make(crdt.Context)
	}
	return scopes[scope]
}

var errCrowded = fmt.Errorf("%w: it tells of more than any shop holds", ErrProtocol)

// crowded reports whether more is told of a peer than can be remembered; an honest one never does.
func (c *Core) crowded(till crdt.TillID, scope crdt.Scope, entries crdt.Context) bool {
	scopes := c.held[till]
	if scopes[scope] == nil && len(scopes) >= maxScopes {
		return true
	}
	n := runsOf(entries)
	if c.runs[till] += n; c.runs[till] <= maxRuns {
		return false
	}
	c.countRuns(till, n)
	if c.runs[till] > maxRuns {
		// It may be joining a shop with a past. What it told of the scope before is forgotten: then it is believed to hold
		// less than it does, never more, until the states are equal.
		delete(scopes, scope)
		c.countRuns(till, n)
	}
	return c.runs[till] > maxRuns
}

func (c *Core) countRuns(till crdt.TillID, more int) {
	c.runs[till] = more
	for _, held := range c.held[till] {
		c.runs[till] += runsOf(held)
	}
}

// scopeStates returns what Hello's hash is made of.
func (c *Core) scopeStates() []wire.ScopeState {
	list := make([]wire.ScopeState, 0, len(c.contexts))
	for _, s := range c.Scopes() {
		if len(c.contexts[s]) > 0 {
			list = append(list, wire.ScopeState{Scope: s, Context: c.contexts[s].Hash(), Digest: c.digests[s]})
		}
	}
	return list
}

// StateHash returns one hash over contexts and digests of all scopes: tills with equal hashes hold the same.
func (c *Core) StateHash() [16]byte {
	h := sha256.New()
	var b [48]byte
	for _, s := range c.scopeStates() {
		h.Write(s.Scope.AppendKey(nil))
		copy(b[:16], s.Context[:])
		binary.BigEndian.PutUint64(b[16:], s.Digest[0])
		binary.BigEndian.PutUint64(b[24:], s.Digest[1])
		h.Write(b[:32])
	}
	return [16]byte(h.Sum(nil)[:16])
}

// Tick does what is due. Call it at or after the time that Deadline returns.
func (c *Core) Tick(now time.Time) {
	c.goOn(now)
	if !c.haveAt.IsZero() && !now.Before(c.haveAt) {
		c.tellHave()
	}
	for _, l := range c.sorted() {
		c.tickLink(now, l)
	}
	c.tickAudits(now)
	c.tickMarks(now)
	c.tickRelays(now)
}

// Deadline returns when Tick has something to do, zero if never.
func (c *Core) Deadline() time.Time {
	at := c.haveAt
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if len(c.later) > 0 && c.later[0].mark <= c.done {
		earlier(time.Time{}.Add(1)) // due at once
	}
	earlier(c.auditDeadline())
	earlier(c.marks.due)
	earlier(c.relay.due)
	for _, l := range c.links {
		earlier(l.helloAt)
		earlier(c.askAt(l))
		for _, p := range l.pulls {
			if !p.claiming && p.waiting == 0 { // else the disk is awaited, not the peer
				earlier(p.giveUp)
			}
		}
		for _, w := range l.waits {
			earlier(w.at)
		}
		for _, t := range l.again {
			earlier(t)
		}
	}
	return at
}

// sorted returns the links in the order they came up, so that a run can be repeated.
func (c *Core) sorted() []*link {
	return slices.SortedFunc(maps.Values(c.links), func(a, b *link) int { return cmp.Compare(a.id, b.id) })
}

func sortedScopes[V any](m map[crdt.Scope]V) []crdt.Scope {
	return slices.SortedFunc(maps.Keys(m), crdt.Scope.Compare)
}

// tellHave tells every peer what became durable here.
func (c *Core) tellHave() {
	c.haveAt = time.Time{}
	for _, scope := range sortedScopes(c.have) {
		for _, l := range c.sorted() {
			if l.ready {
				l.queueHave(scope, c.have[scope])
			}
		}
		delete(c.have, scope)
	}
}
