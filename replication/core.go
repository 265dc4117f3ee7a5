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
	Text  string // Doubt, Notice
}

// EventKind tells events apart.
type EventKind uint8

// The events.
const (
	EventReady    EventKind = iota + 1 // the peer's Hello was accepted
	EventEqual                         // the states are equal
	EventAsked                         // answer it with Core.Answer
	EventAnswered                      //
	EventDoubt                         // own commits are known to a peer that this store lacks: stop writing
	EventNotice                        // worth a line in the log and a count
)

// Core is the replication of one till without its I/O.
type Core struct {
	cfg      Config
	contexts map[crdt.Scope]crdt.Context
	digests  map[crdt.Scope]crdt.Digest
	links    map[LinkID]*link
	nextLink LinkID
	held     map[crdt.TillID]map[crdt.Scope]crdt.Context // what other tills are known to hold
	have     map[crdt.Scope]crdt.Context                 // durable, not told yet
	haveAt   time.Time                                   // when to tell it; zero: nothing to tell
	whole    map[crdt.Scope]bool                         // pull all that is missing at once: a claim was dropped
	changed  time.Time                                   // when something last changed here or was told by a peer
	events   []Event
	stats    Stats
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
	}
	c.committer.init(cfg.Heads)
	return c
}

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
	var out []crdt.TillID
	for till, scopes := range c.held {
		if scopes[scope].Has(d) {
			out = append(out, till)
		}
	}
	slices.SortFunc(out, crdt.TillID.Compare)
	return out
}

// Forget drops what is known about what a till holds: it was revoked or its store is in doubt.
func (c *Core) Forget(till crdt.TillID) { delete(c.held, till) }

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
	if !c.haveAt.IsZero() && !now.Before(c.haveAt) {
		c.tellHave()
	}
	for _, l := range c.sorted() {
		c.tickLink(now, l)
	}
}

// Deadline returns when Tick has something to do, zero if never.
func (c *Core) Deadline() time.Time {
	at := c.haveAt
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
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

// noteOwn reports a doubt if a peer knows commits of this replica that the store lacks.
func (c *Core) noteOwn(l *link, scope crdt.Scope, entries crdt.Context) {
	own := crdt.Context{c.cfg.Replica: entries[c.cfg.Replica]}
	missing := own.Minus(c.contexts[scope])
	if len(missing) == 0 || c.doubt {
		return
	}
	c.doubt = true
	c.event(Event{Kind: EventDoubt, Link: l.id, Till: l.till, Text: fmt.Sprintf(
		"till %s holds changes of this till in %v that are missing here: %v", l.till.Short(), scope, missing)})
}
