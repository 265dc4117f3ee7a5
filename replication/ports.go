package replication

import (
	"context"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
)

// Store is where commits rest; package replication/store implements it over any engine.
type Store interface {
	// Apply makes ops durable, in their order, in one transaction, or several if one would be too large. When it
	// returns an error, nothing was written, or it is unknown what was; applying the same ops again is harmless.
	Apply(ctx context.Context, ops []Op) (Applied, error)

	// Live returns encoded commits of a scope that have a live piece and are in want, in the order of replica and
	// number, from the cursor on: at least one if there is one, then as many as fit maxBytes.
	Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at Cursor, maxBytes int) ([][]byte, Cursor, error)

	// ByDot returns the encoded commits under these dots that still have a live piece, in the order of dots.
	ByDot(ctx context.Context, scope crdt.Scope, dots []crdt.Dot) ([][]byte, error)
}

// Op is one thing to make durable: a commit, a claim, or notes. Each op is whole or not there.
type Op struct {
	Commit *crdt.Commit
	Own    bool // the commit is this replica's: it becomes the head of its scope
	// Seen is, for each piece of an own commit, the own number in the clock that its author read. An author that had not
	// seen the replica's last write of the register is refused with [Refused]. nil: nobody asks.
	Seen []crdt.Seq
	// Repair: the commit may be held already. What a whole store would keep of it is put back, and nothing else; on a
	// store that lost nothing it changes nothing. See DESIGN.md, The audit.
	Repair bool
	// Recount corrects the sums kept of a scope by what the last reading of all its rows found; zero: no scope.
	Recount crdt.Scope
	Claim   *Claim
	Notes   []Note
}

// ErrStale is why an own change is refused whose author had not seen this till's own last write of a register.
var ErrStale = errors.New("the value was changed here meanwhile; read it again and repeat the change")

// Refused is an error of Apply that concerns one op: nothing was written, and the others may be applied without it.
type Refused struct {
	Index int // of the op
	Err   error
}

func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.Err }

// Claim adds commits to the context of which no piece is live any more (design §3.3, End).
type Claim struct {
	Scope   crdt.Scope
	Context crdt.Context
}

// Note is a row of the till itself: it is never replicated and is written together with a commit or alone.
type Note struct {
	Key   string
	Value []byte // nil removes the note
}

// Outcome tells what an op did.
type Outcome struct {
	// New: at least one piece of the commit was taken, or the op told the context something it did not know.
	New bool
	// Live: at least one piece of the commit counts now.
	Live bool
	// Dead tells which pieces did not count when the batch was written, a bit per piece from the lowest; nil if all did.
	Dead []byte
	// Fork: another commit is held under this dot, its hash is Held. Both are kept, the new one is not applied.
	Fork bool
	Held crdt.Hash // zero if the one that is held cannot be read
	// Repaired: a repair put something back.
	Repaired bool
	// Ignored are objects that an item of the commit lists although they supersede others themselves; they stay.
	Ignored []crdt.Key
	// Alarms are items that exist with different bytes.
	Alarms []crdt.Key
}

// Applied is what a batch changed.
type Applied struct {
	Outcomes []Outcome                   // one per op
	Grown    map[crdt.Scope]crdt.Context // what each context gained
	Digests  map[crdt.Scope]crdt.Digest  // the new digest of each scope that changed
}

// Cursor is a place in a stream of commits: the commit after which it goes on.
type Cursor struct {
	Dot  crdt.Dot
	Done bool
}

// Head names the last own commit in a scope.
type Head struct {
	Seq  crdt.Seq
	Hash crdt.Hash
}

// Roster answers who may do what on a link. Its methods do not block and may be called at any time.
type Roster interface {
	// MayPush reports whether the till may push the commit: only those of its own lineages, a cloud only those of its own seats.
	MayPush(till crdt.TillID, c *crdt.Commit) bool
}
