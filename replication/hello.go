package replication

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func (c *Core) sayHello(now time.Time, l *link) {
	l.helloAt, l.saidAt = now.Add(helloEvery+c.cfg.Jitter(helloEvery/4)), now
	l.asked = false
	hello := &wire.Hello{
		Oldest: wire.Oldest, Newest: wire.Version, Shop: c.cfg.Shop, Till: c.cfg.Till, Replica: c.cfg.Replica,
		Nonce: c.cfg.Nonce, WallMS: now.Add(c.wall).UnixMilli(), State: c.StateHash(), Program: c.cfg.Program, Boot: c.cfg.Boot,
	}
	l.told = hello.State
	for i, m := range l.out {
		if _, ok := m.(*wire.Hello); ok {
			l.out[i] = hello
			return
		}
	}
	l.out = append(l.out, hello)
}

// sameAs reports whether a till is known to hold exactly what is held here.
func (c *Core) sameAs(till crdt.TillID) bool {
	held := c.held[till]
	for scope, mine := range c.contexts {
		if !mine.Equal(held[scope]) {
			return false
		}
	}
	for scope, theirs := range held {
		if len(theirs) > 0 && c.contexts[scope] == nil {
			return false
		}
	}
	return true
}

// equal notes that the states were the same just now.
func (c *Core) equal(now time.Time, l *link) {
	l.equalAt, l.patience = now, quietAfter
	for _, scope := range c.Scopes() {
		if c.heldBy(l.till, scope).AddAll(c.contexts[scope]) {
			c.told++
		}
		c.tells(now, scope, c.contexts[scope])
	}
	c.relayOf(now, l.till)
	c.event(Event{Kind: EventEqual, Link: l.id, Till: l.till})
}

func (c *Core) onHello(now time.Time, l *link, m *wire.Hello) error {
	switch {
	case m.Oldest > wire.Version:
		return fmt.Errorf("%w: it speaks %d to %d, this one %d to %d", ErrNewer, m.Oldest, m.Newest, wire.Oldest, wire.Version)
	case m.Newest < wire.Oldest:
		return fmt.Errorf("%w: it speaks %d to %d, this one %d to %d", ErrOlder, m.Oldest, m.Newest, wire.Oldest, wire.Version)
	case m.Shop != c.cfg.Shop:
		return fmt.Errorf("%w (%v)", ErrWrongShop, m.Shop)
	case m.Till == l.till && m.Till == c.cfg.Till:
		return c.copied(l, m)
	case m.Till != l.till || m.Till == c.cfg.Till:
		return fmt.Errorf("%w: key of %v, says %v", ErrIdentity, l.till.Short(), m.Till.Short())
	}
	first := !l.ready
	if l.hello != nil && (l.hello.Replica != m.Replica || l.hello.Nonce != m.Nonce) {
		return fmt.Errorf("%w: it changed its replica or nonce during a link", ErrIdentity)
	}
	l.ready, l.hello = true, m
	if first {
		c.event(Event{Kind: EventReady, Link: l.id, Till: l.till})
		c.greetAudits(now, l)
		c.relaySoon(now)
	}
	c.meet(l, m)
	if m.State == c.StateHash() {
		c.equal(now, l)
		if l.told != m.State {
			c.sayHello(now, l) // the peer should know it, too
		}
		return nil
	}
	c.askScopes(l)
	return nil
}

func (c *Core) onScopes(now time.Time, l *link, m *wire.Scopes) {
	theirs := make(map[crdt.Scope]wire.ScopeState, len(m.List))
	for _, s := range m.List {
		theirs[s.Scope] = s
	}
	for _, mine := range c.scopeStates() {
		switch their, ok := theirs[mine.Scope]; {
		case !ok || their.Context != mine.Context:
			c.sendContext(l, mine.Scope, true)
		case their.Digest == mine.Digest:
			if c.heldBy(l.till, mine.Scope).AddAll(c.contexts[mine.Scope]) {
				c.told++
			}
			c.tells(now, mine.Scope, c.contexts[mine.Scope])
			c.relayOf(now, l.till)
		default:
			c.stats.DigestsDiffer++
			c.differs(now, l, mine.Scope)
		}
	}
	// Scopes answer a Hello from here that found a difference: without a question of its own, only the peer would learn
	// what is missing.
	if !l.asked && len(m.List) > 0 {
		c.askScopes(l)
	}
}

// sendContext advertises what is held of a scope: all of it, or the entries that changed since last told on this link. It
// reports whether that is all; if it is too much for a message, the newest is told.
func (c *Core) sendContext(l *link, scope crdt.Scope, full bool) (whole bool) {
	mine := c.contexts[scope]
	if whole = fits(mine, maxContext); !whole {
		mine = newest(mine, maxContext)
	}
	if full && l.sayingAll(scope, mine) {
		return whole
	}
	entries := make(crdt.Context)
	for r, list := range mine {
		if full || !equalRuns(l.sent[scope][r], list) {
			entries[r] = list
		}
	}
	if !full && len(entries) == 0 && l.sent[scope] != nil {
		return whole
	}
	l.sent[scope] = mine.Clone()
	l.out = append(l.out, &wire.Context{Scope: scope, Full: full, Entries: entries.Clone(), Hash: mine.Hash()})
	return whole
}

// sayingAll reports whether the last Context of a scope that waits to be sent says all of this.
func (l *link) sayingAll(scope crdt.Scope, mine crdt.Context) bool {
	for _, m := range slices.Backward(l.out) {
		if m, ok := m.(*wire.Context); ok && m.Scope == scope {
			return m.Full && m.Hash == mine.Hash()
		}
	}
	return false
}

func equalRuns(a, b []crdt.Interval) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (c *Core) onContext(now time.Time, l *link, m *wire.Context) error {
	if c.crowded(l.till, m.Scope, m.Entries) {
		return errCrowded
	}
	advert := l.advert[m.Scope]
	if advert == nil || m.Full {
		advert = make(crdt.Context, len(m.Entries))
	}
	for r, list := range m.Entries {
		advert[r] = list
	}
	if runsOf(advert) > maxRuns {
		return errCrowded
	}
	if advert.Hash() != m.Hash {
		// A part was lost or came out of order. Begin again with the whole.
		delete(l.advert, m.Scope)
		l.out = append(l.out, &wire.Scopes{List: nil})
		return nil
	}
	l.advert[m.Scope] = advert
	if c.heldBy(l.till, m.Scope).AddAll(advert) {
		c.told++
	}
	c.tells(now, m.Scope, m.Entries)
	c.relayOf(now, l.till)
	c.noteOwn(l, m.Scope, m.Entries)
	c.pull(now, l, m.Scope)
	return nil
}
