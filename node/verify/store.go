package verify

import (
	"context"
	"fmt"
	"iter"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Rows is what is read of a store: *store.Store is one.
type Rows interface {
	Objects(ctx context.Context, scope crdt.Scope, typ string, from crdt.ObjectID, limit int) ([]store.Found, error)
	Pieces(ctx context.Context, scope crdt.Scope, refs []crdt.Ref) ([]*crdt.Piece, error)
	NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error)
}

// Store is the source that a store is. The store may be written meanwhile: what is added behind the place that is being read is
// verified, too.
type Store struct{ Rows Rows }

// block is how many objects are read at a time.
const block = 128

// Receipts is a method of Source. The IDs of a series lie together in the order of numbers.
func (s Store) Receipts(ctx context.Context) iter.Seq2[Entry, error] {
	return s.items(ctx, receipt.TypeReceipt, crdt.ObjectID{}, nil, func(raw []byte) (receipt.Signed, error) {
		r, err := receipt.ParseReceipt(raw)
		return r.Signed, err
	})
}

// Between gives the receipts whose IDs are in a range, both ends included: a part of a series.
func (s Store) Between(ctx context.Context, first, last crdt.ObjectID) iter.Seq2[Entry, error] {
	return s.items(ctx, receipt.TypeReceipt, first, &last, func(raw []byte) (receipt.Signed, error) {
		r, err := receipt.ParseReceipt(raw)
		return r.Signed, err
	})
}

// Openings is a method of Source.
func (s Store) Openings(ctx context.Context) iter.Seq2[Entry, error] {
	return s.items(ctx, receipt.TypeOpening, crdt.ObjectID{}, nil, func(raw []byte) (receipt.Signed, error) {
		o, err := receipt.ParseOpening(raw)
		return o.Signed, err
	})
}

// Closings is a method of Source.
func (s Store) Closings(ctx context.Context, shop crdt.ShopID, till crdt.TillID, series string) iter.Seq2[Entry, error] {
	first, last := receipt.ZRange(shop, till, series)
	return s.items(ctx, receipt.TypeClosing, first, &last, closingOf)
}

// Closed is a method of Source. It reads one closing of each series.
func (s Store) Closed(ctx context.Context) iter.Seq2[Series, error] {
	return func(yield func(Series, error) bool) {
		var from crdt.ObjectID
		for {
			var found *Entry
			for e, err := range s.items(ctx, receipt.TypeClosing, from, nil, closingOf) {
				if err != nil {
					yield(Series{}, err)
					return
				}
				found = &e
				break
			}
			if found == nil {
				return
			}
			if z, err := receipt.ParseZReport(found.Signed.Document); err == nil && !yield(Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series}, nil) {
				return
			}
			// Behind all of this series, whose IDs have the same first half.
			for i := range 8 {
				found.ID[8+i] = 0xff
			}
			next, more := store.NextID(found.ID)
			if from = next; !more {
				return
			}
		}
	}
}

func closingOf(raw []byte) (receipt.Signed, error) {
	c, err := receipt.ParseClosing(raw)
	return c.Signed, err
}

// items reads the items of a type, from an ID to another one (nil: to the end). An item that differs under one ID comes once for
// each content. One that cannot be read comes as its bytes, which are no document.
func (s Store) items(ctx context.Context, typ string, from crdt.ObjectID, last *crdt.ObjectID, open func([]byte) (receipt.Signed, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			list, err := s.Rows.Objects(ctx, crdt.Sales, typ, from, block)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if len(list) == 0 {
				return
			}
			var ids []crdt.ObjectID
			var refs []crdt.Ref
			for _, f := range list {
				seen := make(map[[16]byte]bool, 1)
				for _, c := range f.Object.Items {
					if !seen[c.Hash] && (last == nil || f.ID.Compare(*last) <= 0) {
						seen[c.Hash] = true
						ids, refs = append(ids, f.ID), append(refs, c.Ref)
					}
				}
			}
			pieces, err := s.Rows.Pieces(ctx, crdt.Sales, refs)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i, p := range pieces {
				if p == nil {
					continue // its commit left meanwhile
				}
				signed, err := open(p.Raw)
				if err != nil {
					signed = receipt.Signed{Document: p.Raw}
				}
				if !yield(Entry{ID: ids[i], Signed: signed}, nil) {
					return
				}
			}
			end := list[len(list)-1].ID
			next, more := store.NextID(end)
			if from = next; !more || last != nil && end.Compare(*last) >= 0 {
				return
			}
		}
	}
}

// Heads is a method of Source: the till's own series, as its writer left them.
func (s Store) Heads(ctx context.Context) ([]Head, error) {
	var out []Head
	for from := ""; ; {
		list, err := s.Rows.NotesFrom(ctx, store.SeriesNote, from, block)
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			number, hash, err := store.ReadSeries(n.Value)
			if err != nil {
				return nil, fmt.Errorf("series %s: %w", n.Key, err)
			}
			out = append(out, Head{Prefix: n.Key[len(store.SeriesNote):], Number: int64(number), Hash: receipt.Digest(hash)})
			from = n.Key + "\x00"
		}
		if len(list) < block {
			return out, nil
		}
	}
}
