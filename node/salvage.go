package node

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
)

// takeProof gives a new store what proves that the till belongs to the shop.
func takeProof(ctx context.Context, to *store.Store, list []*crdt.Commit) error {
	const batch = 64
	for len(list) > 0 {
		n := min(batch, len(list))
		ops := make([]replication.Op, 0, n)
		for _, c := range list[:n] {
			ops = append(ops, replication.Op{Commit: c})
		}
		if _, err := to.Apply(ctx, ops); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// salvage gives a new store what can be read in the files of the damaged one.
func (r *rebuild) salvage(ctx context.Context, to *store.Store, dir string, till crdt.TillID) error {
	from := &badger.Rescue{Dirs: []string{dir, badger.OrphanDir(dir)}}
	got, err := store.Salvage(ctx, from, to, func(c *crdt.Commit) { r.numbers(c, till) })
	if err != nil {
		return err
	}
	r.Commits, r.Damage, r.Boot = got.Commits, from.Damage, got.Boot
	if id := got.Identity; id != nil && id.Till == till {
		r.Replica = id.Replica
	}
	for series, n := range got.Series {
		r.Series[series] = max(r.Series[series], n)
	}
	return nil
}

// numbers notes the numbers that this till gave out.
func (r *rebuild) numbers(c *crdt.Commit, till crdt.TillID) {
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || p.Type != receipt.TypeReceipt || p.Erased {
			continue
		}
		item, err := receipt.ParseReceipt(p.Raw)
		if err == nil && crdt.TillIDOf(item.Key) == till {
			r.Series[item.Series] = max(r.Series[item.Series], uint64(item.Number))
		}
	}
}
