// Package found takes over what a till that was lost and found again holds and nobody else has: receipts it closed while it
// had no network, and payments. It reads the files of that till without changing or opening them as a store, so it does
// not matter whether they are damaged, see package salvage.
//
//	d, err := found.Open(filepath.Join(dir, "store"))
//	list, err := d.Scan(ctx, own, shop, nil)          // shown to a person
//	mark, err := d.Take(ctx, own, shop, list.ID, taking) // after a yes
//
// What is taken is taken verbatim, as any commit that came from elsewhere, and only if it proves itself: its lineage is
// signed by a till of the shop, receipts are signed by that till, and no chain is broken. Only sales and payments are
// taken, and the lineages they need. An admission or a price from a till that somebody else had in his hands is not, except for
// the admission of the found till itself if the founder secret signed it.
package found

import (
	"context"
	"errors"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup/chain"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Errors of this package. All are wrapped with what happened and where.
var (
	// ErrOtherShop: the found till belongs to another shop. Nothing of it is taken.
	ErrOtherShop = errors.New("the found till belongs to another shop")
	// ErrNothing: there are no files of a store. Check the path.
	ErrNothing = errors.New("there is no data of a till")
	// ErrInUse: a till runs on these files. Stop it first.
	ErrInUse = errors.New("a till runs on these files: stop it first")
	// ErrChanged: what would be taken is no longer what was shown. Look again.
	ErrChanged = errors.New("what was found changed since it was listed: look again")
)

// Own is the store of the till that takes: *store.Store is one.
type Own interface {
	Contexts() map[crdt.Scope]crdt.Context
	Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error)
	Object(ctx context.Context, k crdt.Key) (*crdt.Object, error)
	Pieces(ctx context.Context, scope crdt.Scope, refs []crdt.Ref) ([]*crdt.Piece, error)
	Identity(ctx context.Context) (store.Identity, error)
}

// Found is what a till held that the own one does not.
type Found struct {
	// ID stands for exactly the commits that Take would take.
	ID       crdt.Hash
	Known    int64 // commits that are here already
	Commits  int64 // that would be taken
	Scopes   []ScopeCount
	Tills    []TillCount
	Receipts []Receipt // at most 10,000, in the order of the files
	Payments []Payment // that no receipt settled, at most 10,000
	More     int64     // receipts and payments beyond the lists
	Sums     []Sum     // of all receipts, by currency
	Series   []chain.Series
	Refused  []Refused // at most 1,000
	NotTaken int64     // refused altogether
	Damage   []string  // what could not be read
}

// ScopeCount counts unknown commits of a scope.
type ScopeCount struct {
	Scope crdt.Scope
	Take  int64
	Leave int64 // not sales, or refused
}

// TillCount counts what would be taken by the till that wrote it.
type TillCount struct {
	Till     crdt.TillID
	Name     string
	State    shop.State
	Commits  int64
	Receipts int64
}

// Receipt is an unknown receipt.
type Receipt struct {
	ID       crdt.ObjectID
	Till     crdt.TillID
	Number   string // such as "K5-000051"
	Series   string // "K5"
	N        int64  // 51
	Kind     string
	Closed   string // RFC 3339
	Total    receipt.Amount
	Currency string
}

// Payment is an unknown payment that no receipt holds.
type Payment struct {
	ID     crdt.ObjectID
	Tab    crdt.ObjectID
	Till   crdt.TillID
	Type   string
	State  string // empty: captured when it was entered
	Amount receipt.Amount
	MS     int64
}

// Sum is what the unknown receipts come to.
type Sum struct {
	Currency string
	Receipts int64
	Total    int64 // minor units
}

// Refused is a commit that is not taken although it holds sales.
type Refused struct {
	Scope  crdt.Scope
	Dot    crdt.Dot
	Reason string
}

// Mark says that commits were taken over under supervision. It is kept as a note of the till that took them.
type Mark struct {
	By       string // who said yes
	At       time.Time
	From     crdt.TillID // the found till
	Place    string      // the directory
	ID       crdt.Hash   // as in [Found]
	Commits  int64
	Receipts int64
	Numbers  []Numbers
	Sums     []Sum
}

// Numbers is a run of numbers of a series: receipts that were taken over.
type Numbers struct {
	Prefix      string
	First, Last int64
}

// Progress is told now and then. The function that gets it must not block.
type Progress struct{ Read, Taken int64 } // commits

const (
	maxList    = 10_000
	maxRefused = 1_000
)
