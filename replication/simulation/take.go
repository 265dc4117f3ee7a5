package simulation

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// TakeOver queues commits that came by no link, with notes in the transaction of the last one. done is called once for
// each of them, as by Propose.
func (l *Life) TakeOver(list []*crdt.Commit, notes []replication.Note, done func(replication.Result)) {
	if !l.up || l.stopping {
		for range list {
			done(replication.Result{Err: engine.ErrStopped})
		}
		return
	}
	for _, ticket := range l.core.TakeOver(list, notes) {
		l.waiters[ticket] = done
	}
	l.w.Trace("%s takes over %d commits", l.m.name, len(list))
	l.poke()
}
