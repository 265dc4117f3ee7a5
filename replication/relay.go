package replication

import (
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Timers and bounds of what is relayed about clouds.
const (
	relayGather = time.Second      // gather what clouds said before telling it
	relayAgain  = 30 * time.Second // before telling again what was not answered, or refused again and again
	maxRelay    = 64 << 10         // bytes of runs in one message
	maxRelayed  = 64               // messages that a peer has not answered yet
)

// Cloud is a peer that not every till links with. What it holds and agrees on is told to those that do not. See DESIGN.md,
// Clouds.
type Cloud struct {
	ID      crdt.TillID
	Replica crdt.ReplicaID // under which it writes now, zero if that is not known
}

// relays is what a core remembers of clouds and of what it told about them.
type relays struct {
	seats map[crdt.TillID]crdt.ReplicaID // of the clouds that are coupled, when they were last looked at
	due   time.Time                      // when to tell what changed; zero: nothing did
}

// relayKey is what one message of a relay is about.
type relayKey struct {
	peer   crdt.TillID
	scope  crdt.Scope
	agreed bool
}

// relayed is what was told on a link, or by its peer.
type relayed struct {
	told  map[relayKey]crdt.Context
	asked map[uint64]relayAsk // not answered yet
	after time.Time           // something was refused: nothing more before
	times int                 // how often in a row
}

type relayAsk struct {
	relayKey
	at time.Time
}

// clouds returns the clouds of the shop by ID. Of one that is coupled no more, or that has begun a new seat because of a doubt about
// its store, nothing is known any longer.
func (c *Core) clouds() map[crdt.TillID]crdt.ReplicaID {
	if c.cfg.Clouds == nil {
		return nil
	}
	list := c.cfg.Clouds()
	if len(list) == 0 && len(c.relay.seats) == 0 {
		return nil
	}
	now := make(map[crdt.TillID]crdt.ReplicaID, len(list))
	for _, cloud := range list {
		now[cloud.ID] = cloud.Replica
	}
	for id, before := range c.relay.seats {
		if seat, coupled := now[id]; !coupled || !before.IsZero() && seat != before {
			c.Forget(id)
		}
	}
	c.relay.seats = now
	return now
}

// relaySoon has what is known of clouds told to those who lack it.
func (c *Core) relaySoon(now time.Time) {
	at := now.Add(relayGather)
	if (c.relay.due.IsZero() || at.Before(c.relay.due)) && len(c.clouds()) > 0 {
		c.relay.due = at
	}
}

// relayOf is relaySoon after a peer said what it holds, if that is a cloud.
func (c *Core) relayOf(now time.Time, peer crdt.TillID) {
	if _, cloud := c.clouds()[peer]; cloud {
		c.relaySoon(now)
	}
}

func (c *Core) tickRelays(now time.Time) {
	if c.relay.due.IsZero() || now.Before(c.relay.due) {
		return
	}
	c.relay.due = time.Time{}
	clouds := c.clouds()
	for _, l := range c.sorted() {
		if len(clouds) == 0 || !l.ready {
			continue
		}
		if !now.Before(l.relayed.after) {
			l.relayed.giveUp(now)
			c.relayTo(now, l, clouds)
		}
		again := l.relayed.after
		if !again.After(now) && len(l.relayed.asked) > 0 {
			again = now.Add(relayAgain)
		}
		if again.After(now) && (c.relay.due.IsZero() || again.Before(c.relay.due)) {
			c.relay.due = again
		}
	}
}

// giveUp forgets questions that were not answered in time: what they told is told again.
func (r *relayed) giveUp(now time.Time) {
	for id, ask := range r.asked {
		if !now.Before(ask.at.Add(relayAgain)) {
			delete(r.asked, id)
			delete(r.told, ask.relayKey)
		}
	}
}

// relayTo tells a peer what clouds hold and agreed on, and a cloud what tills agreed on, as far as it was not told yet.
func (c *Core) relayTo(now time.Time, l *link, clouds map[crdt.TillID]crdt.ReplicaID) {
	_, toCloud := clouds[l.till]
	for _, id := range slices.SortedFunc(maps.Keys(c.agreed), crdt.TillID.Compare) {
		if _, cloud := clouds[id]; id != l.till && (cloud || toCloud) {
			for _, scope := range sortedScopes(c.agreed[id]) {
				c.tellRelay(now, l, relayKey{id, scope, true}, crdt.ReplicaID{}, c.agreed[id][scope])
			}
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(clouds), crdt.TillID.Compare) {
		if id == l.till || id == c.cfg.Till || clouds[id].IsZero() {
			continue
		}
		for _, scope := range sortedScopes(c.held[id]) {
			c.tellRelay(now, l, relayKey{id, scope, false}, clouds[id], c.held[id][scope])
		}
	}
}

func (c *Core) tellRelay(now time.Time, l *link, key relayKey, seat crdt.ReplicaID, known crdt.Context) {
	told := l.relayed.told[key]
	entries := make(crdt.Context)
	for r, list := range known {
		if !equalRuns(told[r], list) {
			entries[r] = list
		}
	}
	if len(entries) == 0 || len(l.relayed.asked) >= maxRelayed {
		return
	}
	if !fits(entries, maxRelay) {
		entries = newest(entries, maxRelay)
	}
	if l.relayed.asked == nil {
		l.relayed.asked = make(map[uint64]relayAsk)
	}
	body := wire.RelayBody{Peer: key.peer, Replica: seat, Scope: key.scope, Agreed: key.agreed, Entries: entries}
	if id, ok := c.Ask(l.id, wire.RelayTopic, body.Append(nil)); ok {
		l.relayed.asked[id] = relayAsk{key, now}
		l.relayed.note(key, known)
	}
}

// note remembers that the peer knows this.
func (r *relayed) note(key relayKey, known crdt.Context) {
	if r.told == nil {
		r.told = make(map[relayKey]crdt.Context)
	}
	if r.told[key] == nil {
		r.told[key] = make(crdt.Context)
	}
	for replica, list := range known {
		r.told[key][replica] = slices.Clone(list)
	}
}

// onRelay takes what a peer says about a third one.
func (c *Core) onRelay(now time.Time, l *link, m *wire.Ask) error {
	b, ok, err := wire.DecodeRelay(m.Body)
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		c.Answer(l.id, m.ID, false, []byte(why))
		return nil
	}
	switch {
	case !ok:
		return refuse("this program is too old to read it")
	case b.Peer == c.cfg.Till || b.Peer == l.till || c.cfg.Clouds == nil:
		return refuse("that is told by no third party")
	case b.Agreed && !c.mustAgree(b.Peer):
		return refuse("it is not known here as one of the shop")
	}
	if b.Agreed {
		if !c.vouched(b) {
			return errCrowded
		}
		c.joinStarts(b.Scope)
	} else {
		if seat, known := c.clouds()[b.Peer]; !known || seat != b.Replica {
			return refuse("it is not known here that the cloud writes under that replica")
		}
		if c.crowded(b.Peer, b.Scope, b.Entries) {
			return errCrowded
		}
		if c.heldBy(b.Peer, b.Scope).AddAll(b.Entries) {
			c.told++
			c.tells(now, b.Scope, b.Entries)
		}
	}
	l.relayed.note(relayKey{b.Peer, b.Scope, b.Agreed}, b.Entries)
	c.relaySoon(now)
	c.Answer(l.id, m.ID, true, nil)
	return nil
}

// mustAgree reports whether starts are joined only if this peer agreed.
func (c *Core) mustAgree(id crdt.TillID) bool {
	return c.cfg.Active != nil && slices.Contains(c.cfg.Active(), id)
}

// vouched takes what a third party says that somebody agreed on with it. It reports false if that is too much to remember.
func (c *Core) vouched(b wire.RelayBody) bool {
	scopes := c.agreed[b.Peer]
	if scopes == nil {
		scopes = make(map[crdt.Scope]crdt.Context)
		c.agreed[b.Peer] = scopes
	}
	if scopes[b.Scope] == nil && len(scopes) >= maxScopes || runsOf(scopes[b.Scope])+runsOf(b.Entries) > maxRuns {
		return false
	}
	if scopes[b.Scope] == nil {
		scopes[b.Scope] = make(crdt.Context)
	}
	for r, list := range b.Entries {
		if scopes[b.Scope].Last(r) <= b.Entries.Last(r) { // else what is known is of a later time
			scopes[b.Scope][r] = list
		}
	}
	return true
}

// relayAnswered goes on after a peer answered, and reports whether the answer was to a relay.
func (c *Core) relayAnswered(now time.Time, l *link, m *wire.Answer) bool {
	ask, mine := l.relayed.asked[m.ID]
	if !mine {
		return false
	}
	held := len(l.relayed.asked) >= maxRelayed
	delete(l.relayed.asked, m.ID)
	if m.OK {
		l.relayed.times = 0
	} else { // mostly because what the roster says is still on its way there
		delete(l.relayed.told, ask.relayKey)
		l.relayed.times = min(l.relayed.times+1, 5)
		l.relayed.after = now.Add(min(relayAgain, relayGather<<l.relayed.times))
	}
	if !m.OK || held {
		c.relaySoon(now)
	}
	return true
}
