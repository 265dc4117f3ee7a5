package replication

import (
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// agree notes that an audit found this till and the one of a link equal while both had a context.
func (c *Core) agree(now time.Time, l *link, scope crdt.Scope, context [16]byte) {
	mine := c.contexts[scope]
	if mine.Hash() != context {
		return // the core is behind its store; the next audit will tell
	}
	c.heldBy(l.till, scope).AddAll(mine)
	c.tells(now, scope, mine)
	c.nothingLost(scope)
	scopes := c.agreed[l.till]
	if scopes == nil {
		scopes = make(map[crdt.Scope]crdt.Context)
		c.agreed[l.till] = scopes
	}
	scopes[scope] = mine.Clone()
	c.relaySoon(now)
	c.joinStarts(scope)
}

// joinStarts claims the gaps between the starts of this till's own replica, and of replicas under which nobody writes any
// more if this is the till to do it, once every active till and cloud agreed that it holds nothing there. See DESIGN.md.
func (c *Core) joinStarts(scope crdt.Scope) {
	if c.cfg.Active == nil || c.doubt || c.failed || c.joining[scope] || c.audit.damaged[scope] {
		return
	}
	active := c.cfg.Active()
	claim := make(crdt.Context)
	join := func(r crdt.ReplicaID) {
		gaps := gapsOf(c.contexts[scope][r])
		for _, till := range active {
			if till != c.cfg.Till && len(gaps) > 0 {
				gaps = crdt.Context{r: gaps}.And(crdt.Context{r: gapsOf(c.agreed[till][scope][r])})[r]
			}
		}
		if len(gaps) > 0 {
			claim[r] = gaps
		}
	}
	join(c.cfg.Replica)
	if c.cfg.Ended != nil && len(active) > 0 && slices.MinFunc(active, crdt.TillID.Compare) == c.cfg.Till {
		for _, r := range c.cfg.Ended() {
			if r != c.cfg.Replica {
				join(r)
			}
		}
	}
	if len(claim) == 0 {
		return
	}
	c.joining[scope] = true
	c.offer(request{op: Op{Claim: &Claim{Scope: scope, Context: claim}}, size: 256})
	c.whenDone(func(time.Time) { delete(c.joining, scope) })
}

// gapsOf returns what lies between the runs of a replica.
func gapsOf(runs []crdt.Interval) (gaps []crdt.Interval) {
	for i := 1; i < len(runs); i++ {
		gaps = append(gaps, crdt.Interval{After: runs[i-1].To, To: runs[i].After})
	}
	return gaps
}
