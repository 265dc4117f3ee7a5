package node

import (
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Archived says whether a cloud that is coupled with the shop is known to hold something durably. It is never counted as a till.
type Archived struct {
	Held  bool
	Since time.Time // when this till learnt it; zero if it is not held, or if that was before this start or long ago
}

// archivedMost is of how many receipts it is remembered since when they are archived.
const archivedMost = 4096

// archiving remembers since when receipts are archived.
type archiving struct {
	since map[crdt.ObjectID]time.Time
	order []crdt.ObjectID // the oldest first
}

func (a *archiving) learn(id crdt.ObjectID, at time.Time) {
	if _, known := a.since[id]; known {
		return
	}
	if a.since == nil {
		a.since = make(map[crdt.ObjectID]time.Time)
	}
	if len(a.order) >= archivedMost {
		delete(a.since, a.order[0])
		a.order = append(a.order[:0:0], a.order[1:]...)
	}
	a.since[id], a.order = at, append(a.order, id)
}

// inArchive reports whether a coupled cloud is known to hold one of these commits.
func (t *Till) inArchive(dots ...crdt.Dot) bool {
	if len(t.roster.coupledClouds()) == 0 {
		return false
	}
	return slices.ContainsFunc(dots, func(d crdt.Dot) bool {
		return slices.ContainsFunc(t.replicator.Holders(crdt.Sales, d), t.roster.coupled)
	})
}

// archivedOf returns whether a receipt is in the archive.
func (t *Till) archivedOf(id crdt.ObjectID, dots []crdt.Dot) Archived {
	if !t.inArchive(dots...) {
		return Archived{}
	}
	t.copies.mu.Lock()
	defer t.copies.mu.Unlock()
	return Archived{Held: true, Since: t.copies.archive.since[id]}
}

// kept reports whether somebody else is known to hold one of these commits who would give it back: another active till, or a coupled
// cloud.
func (t *Till) kept(dots ...crdt.Dot) bool {
	return len(t.holders(dots...)) > 0 || t.inArchive(dots...)
}

// alone reports whether the shop has no other active till and no cloud.
func (t *Till) alone() bool { return t.otherActive() == 0 && len(t.roster.coupledClouds()) == 0 }

// tillLinks returns the links with tills, without those with clouds.
func (t *Till) tillLinks() []replication.LinkState {
	return slices.DeleteFunc(t.replicator.State().Links, func(l replication.LinkState) bool {
		_, cloud := t.roster.cloud(l.Till)
		return cloud && !t.roster.mayLink(l.Till)
	})
}
