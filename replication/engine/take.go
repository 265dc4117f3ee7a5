package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// TakeOver makes commits durable that came here by no link, with notes in the transaction of the last one, and returns
// when they are. Applied sees them like those of a peer. If ctx ends first, or with an error, some of them may be there;
// taking them over again is harmless. List is at most a few hundred commits.
func (e *Engine) TakeOver(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error {
	if len(list) == 0 {
		return nil
	}
	ch := make(chan replication.Result, len(list))
	e.mu.Lock()
	if e.stopped {
		defer e.mu.Unlock()
		return e.stopErrLocked()
	}
	for _, ticket := range e.core.TakeOver(list, notes) {
		e.waiters[ticket] = ch
	}
	e.mu.Unlock()
	signal(e.commitCh)
	var failed error
	for range list {
		select {
		case r := <-ch:
			failed = cmp.Or(failed, r.Err)
		case <-ctx.Done():
			return fmt.Errorf("waiting until commits from elsewhere are saved: %w", ctx.Err())
		}
	}
	return failed
}
