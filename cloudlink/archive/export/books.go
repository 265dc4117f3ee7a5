package export

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// shopBooks are the documents of one shop in an export, as the source of a verification. It remembers where they lie.
type shopBooks struct {
	f      io.ReaderAt
	shop   crdt.ShopID
	places map[string][]place // by type
	roster *shop.Roster
}

// place is where a document lies.
type place struct {
	object crdt.ObjectID
	digest [16]byte // of its leaf
	at     int64
	length int32
	kind   archive.Kind
}

func newShopBooks(f io.ReaderAt, id crdt.ShopID) *shopBooks {
	return &shopBooks{f: f, shop: id, places: make(map[string][]place), roster: shop.NewRoster(id)}
}

// take remembers what matters of a content.
func (s *shopBooks) take(l archive.Leaf, c content, at, length int64) {
	switch {
	case l.Kind.Document(), l.Kind == archive.Item && l.Scope.Kind == crdt.KindSales:
		s.places[l.Type] = append(s.places[l.Type], place{l.Object, [16]byte(l.Digest[:16]), at, int32(length), l.Kind})
	case l.Kind == archive.Item && l.Scope == crdt.Shop:
		_ = s.roster.AddItem(l.Type, l.Object, bytes.Clone(c.raw)) // what cannot be read counts for nothing
	}
}

// books returns all shops, ready to be checked.
func (j *joining) books() []completeness.Shop {
	var out []completeness.Shop
	for _, id := range slices.SortedFunc(maps.Keys(j.shops), func(a, b crdt.ShopID) int { return bytes.Compare(a[:], b[:]) }) {
		s := j.shops[id]
		for typ, list := range s.places {
			// Stable: of documents with one number the first that was archived comes first.
			slices.SortStableFunc(list, func(a, b place) int { return a.object.Compare(b.object) })
			s.places[typ] = list
		}
		out = append(out, completeness.Shop{ID: id, Books: s, Member: func(till crdt.TillID) bool { return s.roster.State(till) != shop.Unknown }})
	}
	return out
}

// Receipts is a method of verify.Source.
func (s *shopBooks) Receipts(ctx context.Context) iter.Seq2[verify.Entry, error] {
	return s.documents(ctx, receipt.TypeReceipt, archive.Receipt, s.places[receipt.TypeReceipt])
}

// Openings is a method of verify.Source.
func (s *shopBooks) Openings(ctx context.Context) iter.Seq2[verify.Entry, error] {
	return s.documents(ctx, receipt.TypeOpening, archive.Opening, s.places[receipt.TypeOpening])
}

// Closings is a method of verify.Source.
func (s *shopBooks) Closings(ctx context.Context, id crdt.ShopID, till crdt.TillID, series string) iter.Seq2[verify.Entry, error] {
	list := s.places[receipt.TypeClosing]
	first, last := receipt.ZRange(id, till, series)
	from, _ := slices.BinarySearchFunc(list, first, func(p place, id crdt.ObjectID) int { return p.object.Compare(id) })
	to := from
	for to < len(list) && list[to].object.Compare(last) <= 0 {
		to++
	}
	return s.documents(ctx, receipt.TypeClosing, archive.Closing, list[from:to])
}

// Closed is a method of verify.Source. It reads one closing of each series.
func (s *shopBooks) Closed(ctx context.Context) iter.Seq2[verify.Series, error] {
	return func(yield func(verify.Series, error) bool) {
		firsts := slices.CompactFunc(slices.Clone(s.places[receipt.TypeClosing]), func(a, b place) bool {
			return cmp.Compare(string(a.object[:8]), string(b.object[:8])) == 0
		})
		for e, err := range s.documents(ctx, receipt.TypeClosing, archive.Closing, firsts) {
			if err != nil {
				yield(verify.Series{}, err)
				return
			}
			z, bad := receipt.ParseZReport(e.Signed.Document)
			if bad == nil && !yield(verify.Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series}, nil) {
				return
			}
		}
	}
}

// Heads is a method of verify.Source: nobody remembers how far a series went apart from the documents.
func (s *shopBooks) Heads(context.Context) ([]verify.Head, error) { return nil, nil }

func (s *shopBooks) documents(ctx context.Context, typ string, kind archive.Kind, list []place) iter.Seq2[verify.Entry, error] {
	return func(yield func(verify.Entry, error) bool) {
		var last place
		for _, p := range list {
			if p.object == last.object && p.digest == last.digest {
				continue // the same again
			}
			last = p
			line := make([]byte, p.length)
			n, err := s.f.ReadAt(line, p.at)
			if n == len(line) {
				err = ctx.Err()
			}
			var c content
			if err == nil {
				c, err = readContent(line)
			}
			if err != nil {
				yield(verify.Entry{}, fmt.Errorf("read a %s of the export at byte %d: %w", typ, p.at, err))
				return
			}
			signed, bad := archive.SignedOf(kind, c.raw)
			if bad != nil {
				signed = receipt.Signed{Document: c.raw}
			}
			if !yield(verify.Entry{ID: p.object, Signed: signed}, nil) {
				return
			}
		}
	}
}
