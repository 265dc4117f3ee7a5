package replication

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func (c *Core) sayHello(now time.Time, l *link) {
	l.helloAt, l.saidAt = now.Add(helloEvery+c.cfg.Jitter(helloEvery/4)), now
	l.asked = false
	hello := &wire.Hello{
		Oldest: wire.Oldest, Newest: wire.Version, Shop: c.cfg.Shop, Till: c.cfg.Till, Replica: c.cfg.Replica,
		Nonce: c.cfg.Nonce, WallMS: now.UnixMilli(), State: c.StateHash(), Program: c.cfg.Program,
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
		c.heldBy(l.till, scope).AddAll(c.contexts[scope])
	}
	c.event(Event{Kind: EventEqual, Link: l.id, Till: l.till})
}

func (c *Core) onHello(now time.Time, l *link, m *wire.Hello) error {
	switch {
	case m.Oldest > wire.Version || m.Newest < wire.Oldest:
		return fmt.Errorf("%w: it speaks %d to %d, this one %d to %d", ErrVersion, m.Oldest, m.Newest, wire.Oldest, wire.Version)
	case m.Shop != c.cfg.Shop:
		return fmt.Errorf("%w (%v)", ErrWrongShop, m.Shop)
	case m.Till != l.till || m.Till == c.cfg.Till:
		return fmt.Errorf("%w: key of %v, says %v", ErrIdentity, l.till.Short(), m.Till.Short())
	}
	first := !l.ready
	if l.hello != nil && l.hello.Replica != m.Replica {
		return fmt.Errorf("%w: it changed its replica during a link", ErrIdentity)
	}
	l.ready, l.hello = true, m
	if first {
		c.event(Event{Kind: EventReady, Link: l.id, Till: l.till})
	}
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

func (c *Core) onScopes(l *link, m *wire.Scopes) {
	theirs := make(map[crdt.Scope]wire.ScopeState, len(m.List))
	for _, s := range m.List {
		theirs[s.Scope] = s
	}
	for _, mine := range c.scopeStates() {
		switch their, ok := theirs[mine.Scope]; {
		case !ok || their.Context != mine.Context:
			c.sendContext(l, mine.Scope, true)
		case their.Digest == mine.Digest:
			c.heldBy(l.till, mine.Scope).AddAll(c.contexts[mine.Scope])
		default:
			c.stats.DigestsDiffer++
			c.event(Event{Kind: EventNotice, Link: l.id, Till: l.till, Text: fmt.Sprintf(
				"%v differs from till %s although both took the same changes", mine.Scope, l.till.Short())})
		}
	}
	// Scopes answer a Hello from here that found a difference: without a question of its own, only the peer would learn
	// what is missing.
	if !l.asked && len(m.List) > 0 {
		c.askScopes(l)
	}
}

// sendContext advertises what is held of a scope: all of it, or the entries that changed since last told on this link.
func (c *Core) sendContext(l *link, scope crdt.Scope, full bool) {
	mine := c.contexts[scope]
	entries := make(crdt.Context)
	for r, list := range mine {
		if full || !equalRuns(l.sent[scope][r], list) {
			entries[r] = list
		}
	}
	if !full && len(entries) == 0 && l.sent[scope] != nil {
		return
	}
	l.sent[scope] = mine.Clone()
	l.out = append(l.out, &wire.Context{Scope: scope, Full: full, Entries: entries.Clone(), Hash: mine.Hash()})
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

func (c *Core) onContext(now time.Time, l *link, m *wire.Context) {
	advert := l.advert[m.Scope]
	if advert == nil || m.Full {
		advert = make(crdt.Context, len(m.Entries))
	}
	for r, list := range m.Entries {
		advert[r] = list
	}
	if advert.Hash() != m.Hash {
		// A part was lost or came out of order. Begin again with the whole.
		delete(l.advert, m.Scope)
		l.out = append(l.out, &wire.Scopes{List: nil})
		return
	}
	l.advert[m.Scope] = advert
	c.heldBy(l.till, m.Scope).AddAll(advert)
	c.noteOwn(l, m.Scope, m.Entries)
	c.pull(now, l, m.Scope)
}
