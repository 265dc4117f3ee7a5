package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/store"
)

// lostEntries says which entries of the roster a store of this till lost, as the roster kept beside it proves; empty if none.
// Entries are never superseded, so one that the store says it has and does not hold was lost. Whatever it says it has, it must
// know this till and the lineage it is of: a store without them would take its till for one that is no member, and tell nobody.
func (m *Machine) lostEntries(ctx context.Context, st *store.Store, id Identity) (string, error) {
	own, err := st.Identity(ctx)
	if err != nil || own.Shop != id.Shop || own.Till != id.Till {
		if errors.Is(err, store.ErrNoIdentity) {
			err = nil
		}
		return "", err // not this till's store at all: that is judged elsewhere
	}
	proof, err := readProof(m.o.Data)
	if err != nil {
		m.o.Log.Warn("what proves that this till belongs to the shop cannot be read", "error", err)
		return "", nil
	}
	kept := shop.NewRoster(id.Shop)
	for _, c := range proof {
		// An entry that does not count proves nothing.
		_ = kept.AddCommit(c)
	}
	holds, roster := make(map[crdt.Dot]bool), shop.NewRoster(id.Shop)
	err = eachLive(ctx, st, crdt.Shop, func(c *crdt.Commit) {
		holds[c.Dot] = true
		_ = roster.AddCommit(c)
	})
	if err != nil {
		return "", fmt.Errorf("read roster: %w", err)
	}
	if kept.State(id.Till) != shop.Unknown && roster.State(id.Till) == shop.Unknown {
		return "it lost what proves that this till belongs to the shop", nil
	}
	_, proved := kept.Lineage(own.Replica)
	if _, known := roster.Lineage(own.Replica); proved && !known {
		return "it lost what proves which receipts this till writes", nil
	}
	if n := lostOf(proof, st.Contexts()[crdt.Shop], holds); n > 0 {
		return fmt.Sprintf("it lost %d of %d entries of the roster", n, len(proof)), nil
	}
	return "", nil
}

// lostOf counts the commits with items that a context claims and nothing holds.
func lostOf(proof []*crdt.Commit, claims crdt.Context, holds map[crdt.Dot]bool) (n int) {
	for _, c := range proof {
		if claims.Has(c.Dot) && !holds[c.Dot] && hasItem(c) {
			n++
		}
	}
	return n
}

func hasItem(c *crdt.Commit) bool {
	for i := range c.Pieces {
		if c.Pieces[i].Kind == crdt.KindItem {
			return true
		}
	}
	return false
}
