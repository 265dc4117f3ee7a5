package lineage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Reemission says again, under the new replica ID, what the sealed lineages of this till wrote and no other till is known
// to hold: the same items with the same IDs and bytes, so they are the same items everywhere. A register is
// said again only if two stores may have written under the sealed ID; else its write travels under its own dot, with its exact place in
// the order of causes. LINEAGE.md has the rules and why they hold.
type Reemission struct {
	Replica crdt.ReplicaID // the lineage that writes now
	Store   AgainStore

	// Submit queues a change and returns a function that waits until it is durable; engine.Engine.Submit is one.
	Submit func(replication.Local) (func(context.Context) (*crdt.Commit, error), error)

	// Exclusive runs do while nobody else on this till reads objects in order to write them: what do read is what its changes
	// replace. The keys are sorted and different.
	Exclusive func(ctx context.Context, keys []crdt.Key, do func() error) error

	// Held reports whether another till is known to hold a commit of a lineage of which every dot has one meaning. nil: nobody
	// is known to hold anything.
	Held func(scope crdt.Scope, d crdt.Dot) bool
}

// AgainStore is what is read of a store; *store.Store is one.
type AgainStore interface {
	Notes
	Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error)
	ObjectsByID(ctx context.Context, keys []crdt.Key) ([]*crdt.Object, error)
}

// AgainReport counts what one call did.
type AgainReport struct {
	Commits   int // written
	Items     int
	Registers int
	Left      int // pieces that could not be said again: too large for a commit of the new lineage; they travel under their own dots
}

// batchCommits is how many commits are said again at once; others wait for their objects meanwhile.
const batchCommits = 32

const againBytes = 256 << 10

// Pending reports whether anything is left to be said again.
func Pending(ctx context.Context, st Notes) (bool, error) {
	list, err := todos(ctx, st)
	return len(list) > 0, err
}

// Run says again what is left, in bounded batches, and returns when nothing is left, ctx is done, or something failed.
// How far it came is durable with what it wrote, so it can be run again at any time.
func (r *Reemission) Run(ctx context.Context) (AgainReport, error) {
	var report AgainReport
	list, err := todos(ctx, r.Store)
	if err != nil {
		return report, err
	}
	for _, t := range list {
		for len(t.Scopes) > 0 {
			if t, err = r.step(ctx, t, &report); err != nil {
				return report, fmt.Errorf("say changes of sealed lineage %v again: %w", t.Replica, err)
			}
		}
	}
	return report, nil
}

// step does about one batch of the first scope and returns what is left.
func (r *Reemission) step(ctx context.Context, t todo, report *AgainReport) (todo, error) {
	s := t.Scopes[0]
	raws, at, err := r.Store.Live(ctx, s.Scope, crdt.Context{t.Replica: {{After: s.After, To: s.To}}}, replication.Cursor{}, againBytes)
	if err != nil {
		return t, err
	}
	if len(raws) > batchCommits {
		raws, at.Done = raws[:batchCommits], false
	}
	var commits []*crdt.Commit
	var keys []crdt.Key
	upTo := s.To
	for i, raw := range raws {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			return t, err
		}
		if !at.Done && i == len(raws)-1 {
			upTo = c.Dot.Seq
		}
		if t.Twice || r.Held == nil || !r.Held(s.Scope, c.Dot) {
			commits = append(commits, c)
			for j := range c.Pieces {
				keys = append(keys, crdt.Key{Scope: c.Scope, Type: c.Pieces[j].Type, Object: c.Pieces[j].Object})
			}
		}
	}
	slices.SortFunc(keys, compareKeys)
	keys = slices.Compact(keys)
	next := t.from(upTo)
	if len(keys) == 0 {
		return next, r.submit(ctx, []replication.Local{{Notes: []replication.Note{next.note()}}})
	}
	return next, r.Exclusive(ctx, keys, func() error {
		objects, err := r.objects(ctx, keys)
		if err != nil {
			return err
		}
		var locals []replication.Local
		for _, c := range commits {
			locals = append(locals, r.again(c, t.Twice, objects, report)...)
		}
		// How far it came is written with the last of the batch: the batch is a chain, so if the last is there, all are.
		if len(locals) == 0 {
			locals = append(locals, replication.Local{})
		}
		last := &locals[len(locals)-1]
		last.Notes = append(last.Notes, next.note())
		return r.submit(ctx, locals)
	})
}

func (r *Reemission) objects(ctx context.Context, keys []crdt.Key) (map[crdt.Key]*crdt.Object, error) {
	list, err := r.Store.ObjectsByID(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make(map[crdt.Key]*crdt.Object, len(keys))
	for i, k := range keys {
		out[k] = list[i]
	}
	return out, nil
}

// submit hands a batch over and waits until all of it is durable.
func (r *Reemission) submit(ctx context.Context, locals []replication.Local) error {
	var waits []func(context.Context) (*crdt.Commit, error)
	for i := range locals {
		l := &locals[i]
		l.Chain, l.Restart = "again", i == 0
		if len(l.Pieces) == 0 {
			l.Chain, l.Restart = "", false // notes alone belong to no chain
		}
		wait, err := r.Submit(*l)
		if err != nil {
			return errors.Join(err, waitAll(ctx, waits))
		}
		waits = append(waits, wait)
	}
	return waitAll(ctx, waits)
}

func waitAll(ctx context.Context, waits []func(context.Context) (*crdt.Commit, error)) error {
	var errs []error
	for _, wait := range waits {
		// The outcome decides what is read next, so it is waited for even when ctx is done.
		_, err := wait(context.WithoutCancel(ctx))
		errs = append(errs, err)
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// again returns the changes that say a commit again, none if nothing of it needs to be. What was taken is marked in objects,
// so that a batch says nothing twice.
func (r *Reemission) again(c *crdt.Commit, twice bool, objects map[crdt.Key]*crdt.Object, report *AgainReport) []replication.Local {
	var pieces []crdt.Piece
	for i := range c.Pieces {
		p := &c.Pieces[i]
		o := objects[crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}]
		switch {
		case p.Erased || o == nil || o.Gone:
		case p.Kind == crdt.KindItem && r.itemAgain(o, c, i):
			pieces = append(pieces, *p)
			report.Items++
		case p.Kind == crdt.KindRegister && twice && r.registerAgain(o, c, i):
			pieces = append(pieces, *p)
			report.Registers++
		}
	}
	return r.locals(c, pieces, report)
}

// itemAgain reports whether an item counts under this dot and the writing lineage has not said it.
func (r *Reemission) itemAgain(o *crdt.Object, c *crdt.Commit, piece int) bool {
	hash := c.Pieces[piece].Hash()
	counts := false
	for _, copy := range o.Items {
		counts = counts || copy.Origin.Dot == c.Dot
		if copy.Origin.Dot.Replica == r.Replica && copy.Hash == [16]byte(hash[:16]) {
			return false
		}
	}
	if !counts {
		return false
	}
	o.Items = append(o.Items, crdt.Copy{Hash: [16]byte(hash[:16]), Ref: crdt.Ref{Origin: crdt.Origin{Dot: crdt.Dot{Replica: r.Replica}}}})
	return true
}

// registerAgain reports whether a write counts under this dot and the writing lineage has not written the register: a replica
// has one live value of a register, and a later one of its own would cover an earlier.
func (r *Reemission) registerAgain(o *crdt.Object, c *crdt.Commit, piece int) bool {
	reg := o.Get(c.Pieces[piece].Name)
	if reg == nil || reg.Clock.Get(r.Replica) != 0 {
		return false
	}
	if !slices.ContainsFunc(reg.Siblings, func(s crdt.Sibling) bool { return s.Origin.Dot == c.Dot && s.Piece == piece }) {
		return false
	}
	reg.Clock = reg.Clock.With(crdt.Dot{Replica: r.Replica, Seq: 1})
	return true
}

// locals makes changes of pieces: one if they fit a commit, else halves. Register clocks stay as they were written, with
// the dot of the old write in them; sealing adds the new one.
func (r *Reemission) locals(c *crdt.Commit, pieces []crdt.Piece, report *AgainReport) []replication.Local {
	switch n := len(pieces); {
	case n == 0:
		return nil
	case !fits(pieces, c.Dot.Replica) && n > 1:
		return append(r.locals(c, pieces[:n/2], report), r.locals(c, pieces[n/2:], report)...)
	case !fits(pieces, c.Dot.Replica):
		report.Left++
		return nil
	}
	report.Commits++
	return []replication.Local{{Scope: c.Scope, Pieces: pieces, Schema: c.Schema, Stamp: c.Stamp, WallMS: c.WallMS}}
}

// fits reports whether pieces make a commit, whatever its number: it is tried with the longest.
func fits(pieces []crdt.Piece, not crdt.ReplicaID) bool {
	try := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{0xff, not[0] ^ 0xff}, Seq: 1<<64 - 1}, Prev: crdt.Hash{1},
		Stamp: crdt.Stamp{MS: 1 << 47}, Schema: 1<<32 - 1, Pieces: slices.Clone(pieces)}
	try.Scope.Owner[0] = 1
	return try.Seal() == nil
}

func compareKeys(a, b crdt.Key) int {
	if c := a.Scope.Compare(b.Scope); c != 0 {
		return c
	}
	if a.Type != b.Type {
		if a.Type < b.Type {
			return -1
		}
		return 1
	}
	return a.Object.Compare(b.Object)
}
