package verify

import (
	"context"
	"iter"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Entry is a document as it is kept: a receipt or another event of a series, an opening, or a closing.
type Entry struct {
	ID     crdt.ObjectID // under which it is kept; zero: not known
	Signed receipt.Signed
}

// Source gives the documents to be verified. A number that was given twice comes as two entries, one after the other.
type Source interface {
	// Receipts gives the documents of all series: those of one series together, in the order of their numbers, without openings.
	Receipts(ctx context.Context) iter.Seq2[Entry, error]
	// Openings gives the documents with number 0, in any order.
	Openings(ctx context.Context) iter.Seq2[Entry, error]
	// Closings gives the closings of one series in the order of their numbers.
	Closings(ctx context.Context, shop crdt.ShopID, till crdt.TillID, series string) iter.Seq2[Entry, error]
	// Closed lists the series that have closings, in any order; one may come twice.
	Closed(ctx context.Context) iter.Seq2[Series, error]
	// Heads says how far series went, as far as somebody remembers that apart from the documents.
	Heads(ctx context.Context) ([]Head, error)
}

// Series names a series of a till.
type Series struct {
	Shop   crdt.ShopID
	Till   crdt.TillID
	Prefix string
}

// Head is the last document of a series, as it is remembered.
type Head struct {
	Prefix string
	Number int64
	Hash   receipt.Digest
}
