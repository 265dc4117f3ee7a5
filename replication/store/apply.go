package store

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Apply writes the ops in their order, in one durable transaction, or several if one would be too large. When it
// returns an error some ops may have been written if the error wraps rows.ErrFailed, or if the batch had to be split;
// applying them again is harmless. A [replication.Refused] says which op must not be written; nothing was then.
func (s *Store) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	b := s.newBatch()
	if err := b.load(ctx, ops); err != nil {
		return replication.Applied{}, fmt.Errorf("apply %d changes: %w", len(ops), err)
	}
	for i := range ops {
		if err := b.apply(&ops[i]); err != nil {
			return replication.Applied{}, &replication.Refused{Index: i, Err: err}
		}
	}
	if err := b.bury(ctx); err != nil {
		return replication.Applied{}, fmt.Errorf("apply %d changes: %w", len(ops), err)
	}
	if err := s.commit(ctx, b, b.writes(ops)); err != nil {
		if errors.Is(err, rows.ErrTooLarge) {
			if first, second := halves(ops); len(second) > 0 {
				return s.applyHalves(ctx, first, second, len(ops))
			}
		}
		return replication.Applied{}, fmt.Errorf("write %d changes: %w", len(ops), err)
	}
	return replication.Applied{Outcomes: b.outcomes, Grown: b.grown, Digests: b.digests}, nil
}

// commit writes a batch and what the store knows in memory, at one moment for who reads all rows meanwhile.
func (s *Store) commit(ctx context.Context, b *batch, writes []rows.Write) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.rows.Commit(ctx, writes); err != nil {
		return err
	}
	b.tell(s.tallies)
	s.mu.Lock()
	defer s.mu.Unlock()
	for scope, grown := range b.grown {
		s.context(scope).AddAll(grown)
	}
	maps.Copy(s.divided, b.divided)
	maps.Copy(s.digests, b.digests)
	for scope, change := range b.dormants {
		s.dormants[scope] = s.dormants[scope].Plus(change)
	}
	maps.Copy(s.heads, b.heads)
	return nil
}

// batch is the work of one Apply: what was loaded, and what becomes of it.
type batch struct {
	s        *Store
	contexts map[crdt.Scope]crdt.Context // as they are before the batch
	mayHold  func(crdt.Key) bool
	objects  map[crdt.Key]*entry
	last     crdt.Key // the object asked for last, and its entry: the pieces of an object stand side by side
	lastAt   *entry
	space    []byte               // for keys
	held     map[scopedDot][]byte // bytes held under dots that the context knows
	bitmaps  map[scopedDot][]byte // which pieces are dead of commits that are to be repaired
	fresh    map[scopedDot]*fresh // commits of this batch
	dead     map[scopedDot][]deadRef
	graves   map[scopedDot][]byte // new bitmaps; nil: the whole commit is dead
	forks    []rows.Write
	grown    map[crdt.Scope]crdt.Context
	touched  map[crdt.Scope]map[crdt.ReplicaID]bool
	divided  map[scopedReplica]division // as they are after the batch
	digests  map[crdt.Scope]crdt.Digest
	dormants map[crdt.Scope]crdt.Digest // what the sums over dormant rows gain
	fadings  []fading
	heads    map[crdt.Scope]replication.Head
	outcomes []replication.Outcome
}

// entry is an object of a batch.
type entry struct {
	key     []byte // of its row while it is live
	object  *crdt.Object
	lists   bool // its item supersedes others and is never superseded itself
	live    bool // where its row was
	dormant bool
	faded   []byte // its dormant row, if it has one
	changed bool
}

type scopedDot struct {
	scope crdt.Scope
	dot   crdt.Dot
}

// deadRef is a piece of a commit stored earlier that died, with the key of its object's row.
type deadRef struct {
	crdt.Ref
	key []byte
}

func (s *Store) newBatch() *batch {
	return &batch{
		s:        s,
		contexts: s.contexts, // which only Apply changes
		mayHold:  s.mayHold,
		objects:  make(map[crdt.Key]*entry),
		held:     make(map[scopedDot][]byte),
		bitmaps:  make(map[scopedDot][]byte),
		fresh:    make(map[scopedDot]*fresh),
		dead:     make(map[scopedDot][]deadRef),
		graves:   make(map[scopedDot][]byte),
		grown:    make(map[crdt.Scope]crdt.Context),
		touched:  make(map[crdt.Scope]map[crdt.ReplicaID]bool),
		divided:  make(map[scopedReplica]division),
		digests:  make(map[crdt.Scope]crdt.Digest),
		dormants: make(map[crdt.Scope]crdt.Digest),
		heads:    make(map[crdt.Scope]replication.Head),
	}
}

// load reads, in one step, every row that the ops can change or depend on.
func (b *batch) load(ctx context.Context, ops []replication.Op) error {
	var keys [][]byte
	var order []crdt.Key
	want := func(k crdt.Key) {
		if k == b.last || b.objects[k] != nil {
			return
		}
		e := &entry{key: b.key(k)}
		b.objects[k], b.last, b.lastAt = e, k, e
		if !b.mayHold(k) {
			e.object = new(crdt.Object)
			return
		}
		order = append(order, k)
		keys = append(keys, e.key, b.dormant(e.key))
	}
	repairs := make(map[crdt.Key]bool)
	var dots, bitmaps []scopedDot
	for i := range ops {
		c := ops[i].Commit
		if c == nil {
			continue
		}
		each(c, func(k crdt.Key) {
			want(k)
			if ops[i].Repair {
				repairs[k] = true
			}
		})
		id := scopedDot{c.Scope, c.Dot}
		if ops[i].Repair {
			bitmaps = append(bitmaps, id)
		}
		// Bytes are never held under a dot that the context does not know, unless the context was lost.
		if ops[i].Repair || b.contexts[c.Scope].Has(c.Dot) {
			dots = append(dots, id)
		}
	}
	for _, d := range dots {
		keys = append(keys, dotKey(rowCommit, d.scope, d.dot))
	}
	for _, d := range bitmaps {
		keys = append(keys, dotKey(rowDead, d.scope, d.dot))
	}
	got, err := b.s.rows.Load(ctx, keys)
	if err != nil {
		return err
	}
	for i, k := range order {
		e := b.objects[k]
		e.live, e.dormant, e.faded = got[2*i] != nil, got[2*i+1] != nil, got[2*i+1]
		row := got[2*i]
		if row == nil {
			row = got[2*i+1]
		}
		if e.object, e.lists, err = decodeEntry(row); err == nil {
			continue
		}
		if !repairs[k] {
			return fmt.Errorf("%s %v of %v: %w: %w", k.Type, k.Object, k.Scope, rows.ErrCorrupt, err)
		}
		e.object, e.changed = new(crdt.Object), true // what it was is told by the commits
	}
	for i, d := range dots {
		b.held[d] = got[2*len(order)+i]
	}
	for i, d := range bitmaps {
		b.bitmaps[d] = got[2*len(order)+len(dots)+i]
	}
	return nil
}

// each calls f for every object that applying a commit can touch.
func each(c *crdt.Commit, f func(crdt.Key)) {
	for j := range c.Pieces {
		p := &c.Pieces[j]
		f(crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object})
		for _, o := range p.Objects {
			for _, id := range o.IDs {
				f(crdt.Key{Scope: c.Scope, Type: o.Type, Object: id})
			}
		}
		for _, r := range p.Registers {
			f(crdt.Key{Scope: c.Scope, Type: r.Type, Object: r.Object})
		}
	}
}

func (b *batch) apply(op *replication.Op) (err error) {
	var out replication.Outcome
	if op.Claim != nil {
		for r, list := range op.Claim.Context {
			for _, iv := range list {
				out.New = b.grow(op.Claim.Scope, r, iv) || out.New
			}
		}
	}
	if op.Recount != (crdt.Scope{}) {
		b.recount(op.Recount)
	}
	switch {
	case op.Commit == nil:
	case op.Repair:
		b.repair(op.Commit, &out)
	default:
		err = b.commit(op, &out)
	}
	b.outcomes = append(b.outcomes, out)
	return err
}

// entry returns what was loaded of an object.
func (b *batch) entry(k crdt.Key) *entry {
	if k != b.last {
		b.last, b.lastAt = k, b.objects[k]
	}
	return b.lastAt
}

// key returns the key of the row of a live object.
func (b *batch) key(k crdt.Key) []byte {
	const chunk = 16 << 10
	if cap(b.space)-len(b.space) < 64+len(k.Type) {
		b.space = make([]byte, 0, chunk)
	}
	start := len(b.space)
	b.space = append(k.Scope.AppendKey(append(b.space, rowLive)), k.Type...)
	b.space = append(append(b.space, 0), k.Object[:]...)
	return b.space[start:len(b.space):len(b.space)]
}

// dormant returns the key of the row that the object of a key has while nothing of it is live.
func (b *batch) dormant(key []byte) []byte {
	if cap(b.space)-len(b.space) < len(key) {
		b.space = make([]byte, 0, 16<<10)
	}
	start := len(b.space)
	b.space = append(append(b.space, rowDormant), key[1:]...)
	return b.space[start:len(b.space):len(b.space)]
}

func (b *batch) digest(scope crdt.Scope) crdt.Digest {
	if d, ok := b.digests[scope]; ok {
		return d
	}
	return b.s.digests[scope]
}

func (b *batch) grow(scope crdt.Scope, r crdt.ReplicaID, iv crdt.Interval) bool {
	grown := b.grown[scope]
	if grown == nil {
		grown = make(crdt.Context)
		b.grown[scope] = grown
		b.touched[scope] = make(map[crdt.ReplicaID]bool)
	}
	if b.contexts[scope].CoversRun(r, iv) || !grown.Add(r, iv) {
		return false
	}
	b.touched[scope][r] = true
	return true
}

// malformed marks a row that cannot be read.
func malformed(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, rows.ErrCorrupt, errors.Join(err, codec.ErrMalformed))
}
