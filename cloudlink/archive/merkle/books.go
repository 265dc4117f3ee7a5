package merkle

import (
	"context"
	"fmt"
	"iter"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Books are the documents of a shop in an account's archive, as the source of a verification. Documents that differ under one number come
// one after the other; the same one that came twice comes once.
type Books struct {
	logs    *Logs
	account archive.AccountID
	shop    crdt.ShopID
}

var _ verify.Source = (*Books)(nil)

// Books returns the documents of a shop.
func (l *Logs) Books(account archive.AccountID, shop crdt.ShopID) *Books {
	return &Books{l, account, shop}
}

var lastObject = func() (id crdt.ObjectID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}()

// Receipts is a method of verify.Source.
func (b *Books) Receipts(ctx context.Context) iter.Seq2[verify.Entry, error] {
	return b.documents(ctx, receipt.TypeReceipt, archive.Receipt, crdt.ObjectID{}, lastObject)
}

// Openings is a method of verify.Source.
func (b *Books) Openings(ctx context.Context) iter.Seq2[verify.Entry, error] {
	return b.documents(ctx, receipt.TypeOpening, archive.Opening, crdt.ObjectID{}, lastObject)
}

// Closings is a method of verify.Source.
func (b *Books) Closings(ctx context.Context, shop crdt.ShopID, till crdt.TillID, series string) iter.Seq2[verify.Entry, error] {
	first, last := receipt.ZRange(shop, till, series)
	return b.documents(ctx, receipt.TypeClosing, archive.Closing, first, last)
}

// Closed is a method of verify.Source. It reads one closing of each series.
func (b *Books) Closed(ctx context.Context) iter.Seq2[verify.Series, error] {
	return func(yield func(verify.Series, error) bool) {
		var from crdt.ObjectID
		for {
			var found *verify.Entry
			for e, err := range b.documents(ctx, receipt.TypeClosing, archive.Closing, from, lastObject) {
				if err != nil {
					yield(verify.Series{}, err)
					return
				}
				found = &e
				break
			}
			if found == nil {
				return
			}
			if z, err := receipt.ParseZReport(found.Signed.Document); err == nil && !yield(verify.Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series}, nil) {
				return
			}
			more := false
			if from, more = behind(found.ID); !more {
				return
			}
		}
	}
}

// behind returns the lowest ID behind all of the series of an ID, whose first halves are the same; false if there is none.
func behind(id crdt.ObjectID) (crdt.ObjectID, bool) {
	next := crdt.ObjectID(id)
	clear(next[8:])
	for i := 7; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next, true
		}
	}
	return next, false
}

// Heads is a method of verify.Source: nobody remembers how far a series went apart from the documents.
func (b *Books) Heads(context.Context) ([]verify.Head, error) { return nil, nil }

func (b *Books) documents(ctx context.Context, typ string, kind archive.Kind, from, to crdt.ObjectID) iter.Seq2[verify.Entry, error] {
	return func(yield func(verify.Entry, error) bool) {
		var last archive.Leaf
		for s, err := range b.logs.Objects(ctx, b.account, b.shop, typ, from, to) {
			if err != nil {
				yield(verify.Entry{}, err)
				return
			}
			leaf, err := archive.ParseLeaf(s.Leaf)
			if err != nil {
				yield(verify.Entry{}, fmt.Errorf("leaf %d: %w", s.Index, err))
				return
			}
			if leaf.Kind == archive.Note || leaf.Object == last.Object && leaf.Digest == last.Digest {
				continue
			}
			last = leaf
			signed, err := archive.SignedOf(kind, s.Content)
			if err != nil {
				signed = receipt.Signed{Document: s.Content}
			}
			if !yield(verify.Entry{ID: leaf.Object, Signed: signed}, nil) {
				return
			}
		}
	}
}

// Roster returns who belongs to a shop, as its archived items say. Items that cannot be read are passed over.
func (l *Logs) Roster(ctx context.Context, account archive.AccountID, id crdt.ShopID) (*shop.Roster, error) {
	r := shop.NewRoster(id)
	for s, err := range l.Leaves(ctx, account, Query{Shop: id, Kinds: []archive.Kind{archive.Item}}) {
		if err != nil {
			return nil, err
		}
		leaf, err := archive.ParseLeaf(s.Leaf)
		if err != nil {
			return nil, fmt.Errorf("roster of shop %s: leaf %d: %w", id, s.Index, err)
		}
		if leaf.Scope == crdt.Shop && s.Content != nil {
			_ = r.AddItem(leaf.Type, leaf.Object, s.Content) // what cannot be read counts for nothing
		}
	}
	return r, nil
}
