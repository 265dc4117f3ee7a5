package loss

import (
	"context"
	"iter"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// Source gives what the signer holds. Series are those of the till that the statement is about.
type Source interface {
	// Runs gives the numbers of a series from 1 on whose documents are held, as ranges in ascending order that neither overlap nor touch.
	Runs(ctx context.Context, s verify.Series) iter.Seq2[Run, error]
	// Documents gives the documents with numbers of a range, in ascending order.
	Documents(ctx context.Context, s verify.Series, r Run) iter.Seq2[verify.Entry, error]
	// Closings gives the closings of one series in the order of their numbers.
	Closings(ctx context.Context, shop crdt.ShopID, till crdt.TillID, series string) iter.Seq2[verify.Entry, error]
	// Openings gives the documents with number 0, of all tills, in any order.
	Openings(ctx context.Context) iter.Seq2[verify.Entry, error]
	// Mentions gives what other documents say of the one with an ID; most have none.
	Mentions(ctx context.Context, id crdt.ObjectID) ([]Mention, error)
}

// Ask says what a statement is to be about.
type Ask struct {
	Made   string // RFC 3339, whole seconds
	By     Party
	Shop   crdt.ShopID
	Name   string // of the shop
	Till   crdt.TillID
	Label  string // of the till
	State  string
	Prefix []string // the till's series in the order in which it had them

	Contact *Contact
	// Held is what others were asked for, by series; the signer itself is not among them.
	Held []Held
	Open *Open
	Said *Said
}

// Held is what somebody beside the signer holds.
type Held struct {
	Holder
	Runs map[string][]Run // by series, ascending; of one that was asked
}

// Released is the mention that a person let a receipt be printed.
func Released(r receipt.Release) Mention {
	return Mention{Kind: "release", By: r.User, At: time.UnixMilli(r.MS).UTC().Format(time.RFC3339)}
}
