package replication

import (
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// link is the session with one peer.
type link struct {
	id    LinkID
	till  crdt.TillID
	ready bool        // the peer's Hello was accepted
	hello *wire.Hello // the peer's latest

	out       []wire.Message // in the order they must leave
	pushBytes int            // of the Push messages in out
	readOpen  bool           // a read for this link is running

	advert   map[crdt.Scope]crdt.Context // what the peer said it holds
	sent     map[crdt.Scope]crdt.Context // what it was told last
	pulls    map[uint64]*pull
	pullID   uint64
	serves   []*serve
	lastPull uint64 // the peer's question that came last
	refused  int    // questions refused since Next was called
	asked    bool   // Scopes were sent since the last Hello: the peer tells what it holds
	askID    uint64
	waits    map[crdt.Scope]wait         // named in a Have, not here yet
	urgent   map[crdt.Scope]crdt.Context // pushed by it as urgent and just became durable here
	again    map[crdt.Scope]time.Time
	helloAt  time.Time
	saidAt   time.Time     // when the last Hello was queued
	patience time.Duration // how long to wait for the next if the states are not known to be equal
	told     [16]byte      // state hash of the last Hello sent
	equalAt  time.Time     // when the states were last seen equal

	drops     map[crdt.Scope]int // claims dropped in a row
	toldTwice bool               // it was told that its till's key speaks twice
	auditAt   time.Time          // when its till is to be audited
	asking    *ask               // the scope that is being compared with its till
	toAsk     []*ask             // scopes to be compared next
	answering *answering         // what the other side compares
	differAt  map[crdt.Scope]time.Time
	relayed   relayed
}

type wait struct {
	missing crdt.Context
	at      time.Time
}

// LinkUp begins a session with a till whose key was checked.
func (c *Core) LinkUp(now time.Time, till crdt.TillID) LinkID {
	c.nextLink++
	l := &link{
		id: c.nextLink, till: till, patience: quietAfter,
		advert: make(map[crdt.Scope]crdt.Context),
		sent:   make(map[crdt.Scope]crdt.Context),
		pulls:  make(map[uint64]*pull),
		waits:  make(map[crdt.Scope]wait),
		again:  make(map[crdt.Scope]time.Time),
		drops:  make(map[crdt.Scope]int), differAt: make(map[crdt.Scope]time.Time),
	}
	c.links[l.id] = l
	c.sayHello(now, l)
	return l.id
}

// LinkDown ends a session. What it was fetching is asked from others that have it.
func (c *Core) LinkDown(now time.Time, id LinkID) {
	l := c.links[id]
	if l == nil {
		return
	}
	delete(c.links, id)
	c.leaveAudits(now, l)
	for _, p := range l.sortedPulls() {
		c.pullElsewhere(now, l, p)
	}
}

// pullElsewhere asks the other peers for what a link did not bring.
func (c *Core) pullElsewhere(now time.Time, l *link, p *pull) {
	for _, other := range c.sorted() {
		if other == l {
			continue
		}
		c.pull(now, other, p.scope)
		if p.forHave {
			c.pullMissing(now, other, p.scope, p.want.And(c.held[other.till][p.scope]))
		}
	}
}

// LinkState is what is known about a link, for status pages.
type LinkState struct {
	ID      LinkID
	Till    crdt.TillID
	Ready   bool
	Program string
	Pulling bool      // something is on its way from there
	Equal   bool      // it is known to hold what is held here, and nothing else
	EqualAt time.Time // when the states were last seen equal, zero if never on this link
	WallMS  int64     // the peer's wall clock in its last Hello
}

// Links returns the state of all links in the order they came up.
func (c *Core) Links() []LinkState {
	var out []LinkState
	for _, l := range c.sorted() {
		s := LinkState{ID: l.id, Till: l.till, Ready: l.ready, Pulling: len(l.pulls) > 0, EqualAt: l.equalAt}
		s.Equal = l.ready && c.sameAs(l.till)
		if l.hello != nil {
			s.Program, s.WallMS = l.hello.Program, l.hello.WallMS
		}
		out = append(out, s)
	}
	return out
}

// Next returns the messages to send now, in order, and forgets them. Everything that gathered since the last call is
// returned at once; the driver sends it in one write.
func (c *Core) Next(id LinkID) []wire.Message {
	l := c.links[id]
	if l == nil {
		return nil
	}
	out := l.out
	l.out, l.pushBytes, l.refused = nil, 0, 0
	return out
}

// queuePush queues an own commit and reports whether it will be sent. Pushes that wait together become one frame.
func (l *link) queuePush(c *Core, commit []byte, urgent bool) bool {
	if l.pushBytes+len(commit) > maxPushQueue {
		// The peer does not keep up. Let go of what waits and compare states once it has read the rest.
		kept := l.out[:0]
		for _, m := range l.out {
			if _, ok := m.(*wire.Push); !ok {
				kept = append(kept, m)
			}
		}
		l.out, l.pushBytes = kept, 0
		l.helloAt = time.Time{}.Add(1) // due at once
		c.stats.PushesDropped++
		return false
	}
	l.pushBytes += len(commit)
	if n := len(l.out); n > 0 {
		if p, ok := l.out[n-1].(*wire.Push); ok && l.pushBytes < pushFrame {
			p.List = append(p.List, commit)
			p.Urgent = p.Urgent || urgent
			return true
		}
	}
	l.out = append(l.out, &wire.Push{Urgent: urgent, List: [][]byte{commit}})
	return true
}

// addUrgent notes a commit that this link pushed and that is durable now, for answerUrgent.
func (l *link) addUrgent(commit *crdt.Commit) {
	if l.urgent == nil {
		l.urgent = make(map[crdt.Scope]crdt.Context)
	}
	if l.urgent[commit.Scope] == nil {
		l.urgent[commit.Scope] = make(crdt.Context)
	}
	l.urgent[commit.Scope].Add(commit.Dot.Replica, commit.Interval())
}

// answerUrgent tells the peer that what it pushed as urgent is durable here.
func (l *link) answerUrgent() {
	for _, scope := range sortedScopes(l.urgent) {
		if l.ready {
			l.queueHave(scope, l.urgent[scope])
		}
	}
	l.urgent = nil
}

func (l *link) queueHave(scope crdt.Scope, entries crdt.Context) {
	l.out = append(l.out, &wire.Have{Scope: scope, Entries: entries.Clone()})
}

// Prepared is a message with what its commits say. Reading them is most of the work of taking a message and needs nothing
// of a Core, so the driver does it before it stops others from using the Core.
type Prepared struct {
	message wire.Message
	commits []*crdt.Commit // of a Push, Commits or Audit, up to the first that cannot be read
	audit   *wire.AuditBody
	err     error // why that one cannot
}

// Prepare reads the commits of a message that arrived, for [Core.ReceivePrepared].
func Prepare(m wire.Message) Prepared {
	p := Prepared{message: m}
	var list [][]byte
	switch m := m.(type) {
	case *wire.Commits:
		list = m.List
	case *wire.Push:
		list = m.List
	case *wire.Audit:
		if p.audit, p.err = wire.DecodeAudit(m.Body); p.err != nil {
			p.err = fmt.Errorf("%w: %w", ErrProtocol, p.err)
		} else if p.audit != nil {
			list = p.audit.Commits
		}
	}
	if len(list) > 0 {
		p.commits = make([]*crdt.Commit, 0, len(list))
	}
	for _, raw := range list {
		commit, err := crdt.DecodeCommit(raw)
		if err != nil {
			p.err = fmt.Errorf("%w: %w", ErrProtocol, err)
			break
		}
		p.commits = append(p.commits, commit)
	}
	return p
}

// Receive takes a message that arrived. An error means that the link must be closed; Bye tells the peer why.
func (c *Core) Receive(now time.Time, id LinkID, m wire.Message) error {
	return c.ReceivePrepared(now, id, Prepare(m))
}

// ReceivePrepared is [Core.Receive] for a message that [Prepare] has read.
func (c *Core) ReceivePrepared(now time.Time, id LinkID, p Prepared) error {
	m := p.message
	l := c.links[id]
	if l == nil {
		return nil
	}
	if hello, ok := m.(*wire.Hello); ok {
		return c.onHello(now, l, hello)
	}
	if bye, ok := m.(*wire.Bye); ok {
		return fmt.Errorf("%w: it said %s: %s", ErrProtocol, bye.Code, bye.Text)
	}
	if !l.ready {
		return fmt.Errorf("%w: it did not say hello first", ErrProtocol)
	}
	if len(l.out) > maxOut {
		return fmt.Errorf("%w: it asks and does not read", ErrProtocol)
	}
	switch m := m.(type) {
	case *wire.Scopes:
		c.onScopes(now, l, m)
	case *wire.Context:
		return c.onContext(now, l, m)
	case *wire.Pull:
		return c.onPull(l, m)
	case *wire.Commits:
		return c.onCommits(now, l, m, p)
	case *wire.End:
		c.onEnd(now, l, m)
	case *wire.Push:
		return c.onPush(now, l, m, p)
	case *wire.Have:
		return c.onHave(now, l, m)
	case *wire.Ask:
		if m.Topic == wire.RelayTopic {
			return c.onRelay(now, l, m)
		}
		c.event(Event{Kind: EventAsked, Link: l.id, Till: l.till, ID: m.ID, Topic: m.Topic, Body: m.Body})
	case *wire.Answer:
		if c.relayAnswered(now, l, m) {
			return nil
		}
		c.event(Event{Kind: EventAnswered, Link: l.id, Till: l.till, ID: m.ID, OK: m.OK, Body: m.Body})
	case *wire.Audit:
		return c.onAudit(now, l, m.Scope, len(m.Body), p)
	case *wire.Twice:
		c.onTwice(l, m)
	case nil: // a message of a newer program is passed over
	}
	return nil
}

// askScopes says what the state hash is made of; the peer answers with its Context of whatever differs.
func (c *Core) askScopes(l *link) {
	l.asked = true
	scopes := &wire.Scopes{List: c.scopeStates()}
	for i, m := range l.out {
		if _, ok := m.(*wire.Scopes); ok {
			l.out[i] = scopes
			return
		}
	}
	l.out = append(l.out, scopes)
}

func (c *Core) onHave(now time.Time, l *link, m *wire.Have) error {
	if c.crowded(l.till, m.Scope, m.Entries) {
		return errCrowded
	}
	if c.heldBy(l.till, m.Scope).AddAll(m.Entries) {
		c.told++
		c.changed = now
		c.tells(now, m.Scope, m.Entries)
		c.relayOf(now, l.till)
	}
	c.noteOwn(l, m.Scope, m.Entries)
	missing := m.Entries.Minus(c.contexts[m.Scope])
	if len(missing) == 0 || c.pausing(m.Scope) {
		return nil
	}
	w, waiting := l.waits[m.Scope]
	if !waiting {
		w = wait{missing: make(crdt.Context), at: now.Add(havePatience)}
	}
	w.missing.AddAll(missing)
	l.waits[m.Scope] = w
	return nil
}

func (c *Core) tickLink(now time.Time, l *link) {
	for _, p := range l.sortedPulls() {
		if !p.claiming && p.waiting == 0 && !now.Before(p.giveUp) {
			delete(l.pulls, p.id)
			c.stats.PullsTimedOut++
			l.helloAt = now
			l.again[p.scope] = now.Add(claimPause)
			c.pullElsewhere(now, l, p)
		}
	}
	for _, scope := range sortedScopes(l.waits) {
		if w := l.waits[scope]; !now.Before(w.at) {
			delete(l.waits, scope)
			c.pullMissing(now, l, scope, w.missing)
		}
	}
	for _, scope := range sortedScopes(l.again) {
		if !now.Before(l.again[scope]) {
			delete(l.again, scope)
			c.pull(now, l, scope)
		}
	}
	if at := c.askAt(l); !at.IsZero() && !now.Before(at) {
		// All is quiet and this peer is not known to hold the same. It may have said so before; else it is asked, less
		// often each time.
		patience := min(2*l.patience, helloEvery)
		if l.hello.State == c.StateHash() {
			c.equal(now, l)
			l.saidAt = now
		} else {
			c.sayHello(now, l)
		}
		l.patience = patience
	}
	if !now.Before(l.helloAt) {
		c.sayHello(now, l)
	}
}

// askAt returns when a peer is to be asked whether it holds the same, zero if it need not be.
func (c *Core) askAt(l *link) time.Time {
	if !l.ready || len(l.pulls) > 0 || c.sameAs(l.till) {
		return time.Time{}
	}
	at := c.changed.Add(quietAfter)
	if again := l.saidAt.Add(l.patience); again.After(at) {
		return again
	}
	return at
}

// Ask queues a question to a peer and returns its number; EventAnswered carries the answer, if one comes.
func (c *Core) Ask(id LinkID, topic string, body []byte) (uint64, bool) {
	l := c.links[id]
	if l == nil || !l.ready {
		return 0, false
	}
	l.askID++
	l.out = append(l.out, &wire.Ask{ID: l.askID, Topic: topic, Body: body})
	return l.askID, true
}

// Answer answers a question that EventAsked brought.
func (c *Core) Answer(id LinkID, ask uint64, ok bool, body []byte) {
	if l := c.links[id]; l != nil {
		l.out = append(l.out, &wire.Answer{ID: ask, OK: ok, Body: body})
	}
}

// HasNext reports whether Next or NextRead would return something.
func (c *Core) HasNext(id LinkID) bool {
	l := c.links[id]
	return l != nil && (len(l.out) > 0 || len(l.serves) > 0 && !l.readOpen && !l.serves[0].read)
}

// Refuse queues a Bye with the reason as the last message of a link.
func (c *Core) Refuse(id LinkID, reason error) {
	l := c.links[id]
	if l == nil {
		return
	}
	code := "protocol"
	switch {
	case errors.Is(reason, ErrWrongShop):
		code = "wrong-shop"
	case errors.Is(reason, ErrVersion):
		code = "version"
	case errors.Is(reason, ErrIdentity):
		code = "identity"
	}
	text := reason.Error()
	if len(text) > 400 {
		text = text[:400]
	}
	l.ready, l.serves, l.pushBytes = false, nil, 0
	l.asking, l.toAsk, l.answering = nil, nil, nil
	l.out = []wire.Message{&wire.Bye{Code: code, Text: text}}
}
