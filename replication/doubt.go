package replication

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// DoubtKind tells why the lineage of a store is in doubt.
type DoubtKind uint8

// The doubts that appear while a till runs.
const (
	// DoubtUnknownOwn: a till knows commits of this replica that the store lacks: it is older than it was.
	DoubtUnknownOwn DoubtKind = iota + 1
	// DoubtForkedOwn: a till holds another commit under a dot of this replica: somebody else writes under it.
	DoubtForkedOwn
	// DoubtCopy: a copy of this till, with its key, called this very till.
	DoubtCopy
	// DoubtTwice: another till met two running programs with this till's key.
	DoubtTwice
)

// String returns a stable name for logs.
func (k DoubtKind) String() string {
	switch k {
	case DoubtUnknownOwn:
		return "unknown own changes"
	case DoubtForkedOwn:
		return "forked own changes"
	case DoubtCopy:
		return "a copy called"
	case DoubtTwice:
		return "key speaks twice"
	}
	return fmt.Sprintf("doubt %d", uint8(k))
}

// DoubtError is a doubt as an error; it is ErrDoubt.
type DoubtError struct {
	Kind     DoubtKind
	Text     string
	Speakers []Speaker // DoubtTwice: this program and the other one, in the order in which the peer met them
}

func (e *DoubtError) Error() string { return ErrDoubt.Error() + ": " + e.Text }

// Unwrap returns ErrDoubt.
func (e *DoubtError) Unwrap() error { return ErrDoubt }

// inDoubt stops own writes and says why, once for each kind.
func (c *Core) inDoubt(kind DoubtKind, l *link, speakers []Speaker, text string) {
	c.doubt = true
	if c.doubts[kind] {
		return
	}
	c.doubts[kind] = true
	e := Event{Kind: EventDoubt, Doubt: kind, Speakers: speakers, Text: text}
	if l != nil {
		e.Link, e.Till = l.id, l.till
	}
	c.event(e)
}

// noteOwn reports a doubt if a peer knows commits of this replica that the store lacks.
func (c *Core) noteOwn(l *link, scope crdt.Scope, entries crdt.Context) {
	own := crdt.Context{c.cfg.Replica: entries[c.cfg.Replica]}
	if missing := own.Minus(c.contexts[scope]); len(missing) > 0 {
		c.inDoubt(DoubtUnknownOwn, l, nil, fmt.Sprintf(
			"till %s holds changes of this till in %v that are missing here: %v", l.till.Short(), scope, missing))
	}
}

// noteOwnCommit is noteOwn for a commit that came.
func (c *Core) noteOwnCommit(l *link, commit *crdt.Commit) {
	if commit.Dot.Replica == c.cfg.Replica {
		c.noteOwn(l, commit.Scope, crdt.Context{commit.Dot.Replica: {{After: commit.Dot.Seq - 1, To: commit.Dot.Seq}}})
	}
}

// Fork is two commits under one dot.
type Fork struct {
	Scope crdt.Scope
	Dot   crdt.Dot
	Held  crdt.Hash // of the one that counts here; zero if it cannot be read
	Other crdt.Hash // of the one that was kept beside it
}

// copied handles a Hello that names this very till: the key on the link was this till's.
func (c *Core) copied(l *link, m *wire.Hello) error {
	if m.Nonce == c.cfg.Nonce {
		return fmt.Errorf("%w: it is this till itself", ErrIdentity)
	}
	c.shares(DoubtCopy, l, []Speaker{c.self(), speakerOf(m)}, speakerOf(m), fmt.Sprintf(
		"another program runs with the key of this till, under lineage %v, start %d", m.Replica, m.Boot))
	return fmt.Errorf("%w: a copy of this till", ErrIdentity)
}

// onTwice takes what a peer says about this till's key.
func (c *Core) onTwice(l *link, m *wire.Twice) {
	me := c.self()
	other := Speaker{Replica: m.Replica, Boot: m.Boot, Nonce: m.Nonce}
	if other.Nonce == me.Nonce {
		return
	}
	order := []Speaker{other, me}
	if m.Later {
		order = []Speaker{me, other}
	}
	c.shares(DoubtTwice, l, order, other, fmt.Sprintf(
		"till %s meets two programs with the key of this till; the other one runs under lineage %v, start %d",
		l.till.Short(), m.Replica, m.Boot))
}

// shares takes that another program runs with this till's key. It is a doubt unless this one goes on all the same: a till
// that is sure of itself is not to be stopped by each try of its copy.
func (c *Core) shares(kind DoubtKind, l *link, speakers []Speaker, other Speaker, text string) {
	if c.cfg.Unmoved == nil || !c.cfg.Unmoved(c.self(), other) {
		c.inDoubt(kind, l, speakers, text)
		return
	}
	if c.copyMet == other.Nonce {
		return // it is told on every link
	}
	c.copyMet = other.Nonce
	c.event(Event{Kind: EventCopy, Link: l.id, Till: l.till, Speakers: speakers, Text: text})
}
