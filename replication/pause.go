package replication

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Pause stops taking foreign commits of scopes for which only returns false; nil takes all again. What waits to be
// written is written. Nothing is lost: a commit that was not taken is in no context and in no Have of this till, so its
// peers know that it lacks it, and when the pause ends the states are compared and it is pulled. A claim is part of an
// answer, and answers about paused scopes are given up, so nothing is claimed meanwhile either. Own commits go on as ever.
func (c *Core) Pause(now time.Time, only func(crdt.Scope) bool) {
	c.paused = only
	for _, l := range c.sorted() {
		for _, p := range l.sortedPulls() {
			if c.pausing(p.scope) && !p.claiming {
				l.dropPull(p.id)
			}
		}
		for scope := range l.waits {
			if c.pausing(scope) {
				delete(l.waits, scope)
			}
		}
		if only == nil {
			l.helloAt = minTime(l.helloAt, now)
			for _, scope := range sortedScopes(l.advert) {
				c.pull(now, l, scope)
			}
		}
	}
}

// pausing reports whether nothing foreign is taken of a scope now.
func (c *Core) pausing(scope crdt.Scope) bool { return c.paused != nil && !c.paused(scope) }
