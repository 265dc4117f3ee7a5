package backup

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Store is what a [Gate] stands before: *store.Store or *store.Guard.
type Store interface {
	replication.Store
	Contexts() map[crdt.Scope]crdt.Context
	Digests() map[crdt.Scope]crdt.Digest
	NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error)
}

// Gate lets one write at a time through to a store, and lets a backup hold the next one back for the moment in which it
// reads the last few commits. The engine gets the gate in place of the store. Without it a backup could see rows that a
// running write has changed and not the context that says so.
type Gate struct {
	Store
	turn chan struct{} // holds one value while somebody has the turn
}

// NewGate returns an open gate.
func NewGate(s Store) *Gate { return &Gate{Store: s, turn: make(chan struct{}, 1)} }

// Apply is the store's, in its turn.
func (g *Gate) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	return g.Store.Apply(ctx, ops)
}

// Still runs read while nothing is written. Writes wait for it, so it must be quick and must not write.
func (g *Gate) Still(ctx context.Context, read func() error) error {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.turn }()
	return read()
}
