package replication

import (
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Speaker is one running program of a till, as its Hello told.
type Speaker struct {
	Replica crdt.ReplicaID
	Boot    uint32   // number of its start; 0 if it did not say
	Nonce   [16]byte // wire.NonceHash of its nonce
}

func speakerOf(m *wire.Hello) Speaker {
	return Speaker{Replica: m.Replica, Boot: m.Boot, Nonce: wire.NonceHash(m.Nonce)}
}

func (c *Core) self() Speaker {
	return Speaker{Replica: c.cfg.Replica, Boot: c.cfg.Boot, Nonce: wire.NonceHash(c.cfg.Nonce)}
}

// meetings remembers which programs spoke for each till. A program keeps its nonce as long as it runs and never has it
// again, so a nonce that returns after another one took its place proves that both run.
type meetings map[crdt.TillID]*met

// Bounds of the memory of meetings. What is forgotten is only met again.
const (
	maxMet      = 4 // programs of a till
	maxMetTills = 512
)

// met is what is remembered of one till: its programs in the order in which they were met first.
type met struct {
	list    []meeting
	current [16]byte // who spoke on the newest link
	link    LinkID   // that link
}

type meeting struct {
	Speaker
	link   LinkID // on which it was met first
	runsBy bool   // it was met again after another one: both run
}

// meet takes a Hello of another till and, if its key speaks from two programs, tells the till and the own driver.
func (c *Core) meet(l *link, m *wire.Hello) {
	who := speakerOf(m)
	t := c.met[l.till]
	if t == nil {
		if len(c.met) >= maxMetTills {
			for till := range c.met { // any: it is only met again
				delete(c.met, till)
				break
			}
		}
		t = new(met)
		c.met[l.till] = t
	}
	at := slices.IndexFunc(t.list, func(o meeting) bool { return o.Nonce == who.Nonce })
	if at < 0 {
		t.list = append(t.list, meeting{Speaker: who, link: l.id})
		if len(t.list) > maxMet {
			t.list = t.list[1:]
		}
		at = len(t.list) - 1
	}
	if l.id < t.link {
		return // an older link says nothing about who came later: it may be what a program said before it ended
	}
	previous := t.current
	t.current, t.link = who.Nonce, l.id
	if slices.ContainsFunc(t.list, func(o meeting) bool { return o.Nonce == previous && o.Replica != who.Replica }) {
		c.Forget(l.till) // a new lineage: its store may have lost what it was known to hold
	}
	// The link was made after the other program had been met, and yet this older one speaks on it.
	if other := slices.IndexFunc(t.list, func(o meeting) bool { return o.Nonce == previous }); other > at && l.id > t.list[other].link {
		fresh := !t.list[at].runsBy || !t.list[other].runsBy
		t.list[at].runsBy, t.list[other].runsBy = true, true
		if fresh {
			c.stats.Twice++
			c.event(Event{Kind: EventTwice, Link: l.id, Till: l.till, Speakers: []Speaker{t.list[at].Speaker, t.list[other].Speaker},
				Text: fmt.Sprintf("two programs run with the key of till %s: start %d of lineage %v and start %d of lineage %v",
					l.till.Short(), t.list[at].Boot, t.list[at].Replica, t.list[other].Boot, t.list[other].Replica)})
		}
	}
	c.tellTwice(t)
}

// tellTwice tells every linked program of a till about the other one.
func (c *Core) tellTwice(t *met) {
	for _, l := range c.sorted() {
		if l.hello == nil || l.toldTwice || c.met[l.till] != t {
			continue
		}
		me := slices.IndexFunc(t.list, func(o meeting) bool { return o.Nonce == wire.NonceHash(l.hello.Nonce) })
		if me < 0 || !t.list[me].runsBy {
			continue
		}
		for i, other := range slices.Backward(t.list) {
			if i != me && other.runsBy {
				l.toldTwice = true
				l.out = append(l.out, &wire.Twice{Replica: other.Replica, Boot: other.Boot, Nonce: other.Nonce, Later: i > me})
				break
			}
		}
	}
}
