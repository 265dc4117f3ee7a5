package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Apply writes the ops in their order, in one durable transaction, or several if one would be too large. When it
// returns an error some ops may have been written if the error wraps rows.ErrFailed, or if the batch had to be split;
// applying them again is harmless.
func (s *Store) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	b := s.newBatch()
	if err := b.load(ctx, ops); err != nil {
		return replication.Applied{}, fmt.Errorf("apply %d changes: %w", len(ops), err)
	}
	for i := range ops {
		b.apply(&ops[i])
	}
	if err := b.bury(ctx); err != nil {
		return replication.Applied{}, fmt.Errorf("apply %d changes: %w", len(ops), err)
	}
	writes := b.writes(ops)
	if err := s.rows.Commit(ctx, writes); err != nil {
		if errors.Is(err, rows.ErrTooLarge) && len(ops) > 1 {
			return s.applyHalves(ctx, ops)
		}
		return replication.Applied{}, fmt.Errorf("write %d changes: %w", len(ops), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for scope, grown := range b.grown {
		s.context(scope).AddAll(grown)
	}
	maps.Copy(s.digests, b.digests)
	maps.Copy(s.heads, b.heads)
	return replication.Applied{Outcomes: b.outcomes, Grown: b.grown, Digests: b.digests}, nil
}

func (s *Store) applyHalves(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	first, err := s.Apply(ctx, ops[:len(ops)/2])
	if err != nil {
		return replication.Applied{}, err
	}
	second, err := s.Apply(ctx, ops[len(ops)/2:])
	if err != nil {
		// The caller must not believe that nothing was written and give the numbers to other commits.
		return replication.Applied{}, fmt.Errorf("%w: half of the changes are there: %w", rows.ErrFailed, err)
	}
	first.Outcomes = append(first.Outcomes, second.Outcomes...)
	for scope, grown := range second.Grown {
		if first.Grown[scope] == nil {
			first.Grown[scope] = grown
		} else {
			first.Grown[scope].AddAll(grown)
		}
	}
	maps.Copy(first.Digests, second.Digests)
	return first, nil
}

// batch is the work of one Apply: what was loaded, and what becomes of it.
type batch struct {
	s        *Store
	objects  map[crdt.Key]*entry
	last     crdt.Key // the object asked for last, and its entry: the pieces of an object stand side by side
	lastAt   *entry
	space    []byte               // for keys
	held     map[scopedDot][]byte // bytes held under dots that the context knows
	fresh    map[scopedDot]*fresh // commits of this batch
	dead     map[scopedDot][]crdt.Ref
	graves   map[scopedDot][]byte // new bitmaps; nil: the whole commit is dead
	forks    []rows.Write
	grown    map[crdt.Scope]crdt.Context
	touched  map[crdt.Scope]map[crdt.ReplicaID]bool
	digests  map[crdt.Scope]crdt.Digest
	heads    map[crdt.Scope]replication.Head
	outcomes []replication.Outcome
}

type entry struct {
	key     []byte // of its row while it is live
	object  *crdt.Object
	live    bool // where its row was
	dormant bool
	changed bool
}

type scopedDot struct {
	scope crdt.Scope
	dot   crdt.Dot
}

// fresh is a commit of this batch with the pieces that are dead already.
type fresh struct {
	commit *crdt.Commit
	dead   []byte // bitmap
	count  int
}

func (s *Store) newBatch() *batch {
	return &batch{
		s:       s,
		objects: make(map[crdt.Key]*entry),
		held:    make(map[scopedDot][]byte),
		fresh:   make(map[scopedDot]*fresh),
		dead:    make(map[scopedDot][]crdt.Ref),
		graves:  make(map[scopedDot][]byte),
		grown:   make(map[crdt.Scope]crdt.Context),
		touched: make(map[crdt.Scope]map[crdt.ReplicaID]bool),
		digests: make(map[crdt.Scope]crdt.Digest),
		heads:   make(map[crdt.Scope]replication.Head),
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
		if !b.s.mayHold(k) {
			e.object = new(crdt.Object)
			return
		}
		order = append(order, k)
		keys = append(keys, e.key, b.dormant(e.key))
	}
	var dots []scopedDot
	for i := range ops {
		c := ops[i].Commit
		if c == nil {
			continue
		}
		for j := range c.Pieces {
			p := &c.Pieces[j]
			want(crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object})
			for _, o := range p.Objects {
				for _, id := range o.IDs {
					want(crdt.Key{Scope: c.Scope, Type: o.Type, Object: id})
				}
			}
			for _, r := range p.Registers {
				want(crdt.Key{Scope: c.Scope, Type: r.Type, Object: r.Object})
			}
		}
		// Bytes are never held under a dot that the context does not know.
		if b.s.contexts[c.Scope].Has(c.Dot) {
			dots = append(dots, scopedDot{c.Scope, c.Dot})
		}
	}
	for _, d := range dots {
		keys = append(keys, dotKey(rowCommit, d.scope, d.dot))
	}
	got, err := b.s.rows.Load(ctx, keys)
	if err != nil {
		return err
	}
	for i, k := range order {
		e := b.objects[k]
		e.live, e.dormant = got[2*i] != nil, got[2*i+1] != nil
		row := got[2*i]
		if row == nil {
			row = got[2*i+1]
		}
		if e.object, err = decodeObject(row); err != nil {
			return fmt.Errorf("%s %v of %v: %w: %w", k.Type, k.Object, k.Scope, rows.ErrCorrupt, err)
		}
	}
	for i, d := range dots {
		b.held[d] = got[2*len(order)+i]
	}
	return nil
}

func (b *batch) apply(op *replication.Op) {
	var out replication.Outcome
	if op.Claim != nil {
		for r, list := range op.Claim.Context {
			for _, iv := range list {
				out.New = b.grow(op.Claim.Scope, r, iv) || out.New
			}
		}
	}
	if op.Commit != nil {
		b.commit(op.Commit, op.Own, &out)
	}
	b.outcomes = append(b.outcomes, out)
}

func (b *batch) commit(c *crdt.Commit, own bool, out *replication.Outcome) {
	id := scopedDot{c.Scope, c.Dot}
	other := b.fresh[id]
	if other != nil && other.commit.Hash() == c.Hash() {
		return
	}
	if raw := b.held[id]; raw != nil || other != nil {
		if raw != nil {
			held, err := crdt.DecodeCommit(raw)
			if err == nil && held.Hash() == c.Hash() {
				return
			}
		}
		// A fork, or held bytes that no longer read: keep what came, and say so.
		tag := c.Hash()
		b.forks = append(b.forks, rows.Write{Key: append(dotKey(rowFork, c.Scope, c.Dot), tag[:16]...), Value: c.Bytes()})
		out.Fork = true
		return
	}
	out.New = b.grow(c.Scope, c.Dot.Replica, c.Interval())
	if own {
		b.heads[c.Scope] = replication.Head{Seq: c.Dot.Seq, Hash: c.Hash()}
	}
	f := &fresh{commit: c}
	b.fresh[id] = f
	from := c.Origin()
	var sum crdt.Digest
	for i := range c.Pieces {
		p := &c.Pieces[i]
		key := crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}
		e := b.entry(key)
		if e.object.Registers == nil {
			e.object.Registers = make([]crdt.Register, 0, together(c.Pieces[i:]))
		}
		ch := e.object.Apply(from, i, p)
		if ch.Taken {
			e.changed = true
			sum = sum.Plus(crdt.Ref{Origin: from, Piece: i}.Mark())
			if p.Kind == crdt.KindItem && e.object.Alarm() {
				out.Alarms = append(out.Alarms, key)
			}
		} else {
			f.bury(i)
		}
		b.drop(c.Scope, ch.Dropped)
		for _, o := range p.Objects {
			for _, object := range o.IDs {
				e := b.objects[crdt.Key{Scope: c.Scope, Type: o.Type, Object: object}]
				e.changed = true
				b.drop(c.Scope, e.object.SupersedeAll(p.Object))
			}
		}
		for _, r := range p.Registers {
			e := b.objects[crdt.Key{Scope: c.Scope, Type: r.Type, Object: r.Object}]
			e.changed = true
			b.drop(c.Scope, e.object.SupersedeUpTo(r.Name, r.Clock))
		}
	}
	if sum != (crdt.Digest{}) {
		b.digests[c.Scope] = b.digest(c.Scope).Plus(sum)
	}
	out.Live, out.Dead = f.count < len(c.Pieces), f.dead
	out.New = out.New || out.Live
}

// together returns how many of the pieces at the beginning write registers of the same object.
func together(pieces []crdt.Piece) int {
	n := 0
	for n < len(pieces) && pieces[n].Kind == crdt.KindRegister && pieces[n].Object == pieces[0].Object {
		n++
	}
	return n
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

func (f *fresh) bury(piece int) {
	if f.dead == nil {
		f.dead = make([]byte, (len(f.commit.Pieces)+7)/8)
	}
	if f.dead[piece/8]&(1<<(piece%8)) == 0 {
		f.dead[piece/8] |= 1 << (piece % 8)
		f.count++
	}
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
	if b.s.contexts[scope].CoversRun(r, iv) || !grown.Add(r, iv) {
		return false
	}
	b.touched[scope][r] = true
	return true
}

func (b *batch) drop(scope crdt.Scope, refs []crdt.Ref) {
	for _, ref := range refs {
		b.digests[scope] = b.digest(scope).Minus(ref.Mark())
		id := scopedDot{scope, ref.Origin.Dot}
		if f := b.fresh[id]; f != nil {
			f.bury(ref.Piece)
		} else {
			b.dead[id] = append(b.dead[id], ref)
		}
	}
}

// bury works out what the pieces that died mean for commits stored earlier.
func (b *batch) bury(ctx context.Context) error {
	var ids []scopedDot
	var keys [][]byte
	for id, refs := range b.dead {
		if refs[0].Origin.Pieces == len(refs) {
			b.graves[id] = nil
			continue
		}
		ids = append(ids, id)
		keys = append(keys, dotKey(rowDead, id.scope, id.dot))
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := b.s.rows.Load(ctx, keys)
	if err != nil {
		return err
	}
	for i, id := range ids {
		pieces := b.dead[id][0].Origin.Pieces
		bitmap := make([]byte, (pieces+7)/8)
		copy(bitmap, got[i])
		for _, ref := range b.dead[id] {
			if ref.Piece >= pieces {
				return fmt.Errorf("%w: piece %d of %d in commit %v", rows.ErrCorrupt, ref.Piece, pieces, id.dot)
			}
			bitmap[ref.Piece/8] |= 1 << (ref.Piece % 8)
		}
		alive := pieces
		for p := range pieces {
			if bitmap[p/8]&(1<<(p%8)) != 0 {
				alive--
			}
		}
		if alive == 0 {
			bitmap = nil
		}
		b.graves[id] = bitmap
	}
	return nil
}

func (b *batch) writes(ops []replication.Op) []rows.Write {
	w := make([]rows.Write, 0, 2*len(b.objects)+3*len(ops)+len(b.graves)+8)
	for _, e := range b.objects {
		if !e.changed {
			continue
		}
		place, other, wasOther := e.key, e.key, e.dormant
		if !e.object.Live() {
			place, wasOther = b.dormant(e.key), e.live
		} else if wasOther {
			other = b.dormant(e.key)
		}
		w = append(w, rows.Write{Key: place, Value: encodeObject(e.object)})
		if wasOther {
			w = append(w, rows.Write{Key: other, Delete: true})
		}
	}
	for id, f := range b.fresh {
		switch {
		case f.count == len(f.commit.Pieces):
			continue
		case f.count > 0:
			w = append(w, rows.Write{Key: dotKey(rowDead, id.scope, id.dot), Value: f.dead})
		}
		w = append(w, rows.Write{Key: dotKey(rowCommit, id.scope, id.dot), Value: f.commit.Bytes()})
	}
	for id, bitmap := range b.graves {
		if bitmap == nil {
			w = append(w, rows.Write{Key: dotKey(rowCommit, id.scope, id.dot), Delete: true})
			if b.dead[id][0].Origin.Pieces > 1 {
				w = append(w, rows.Write{Key: dotKey(rowDead, id.scope, id.dot), Delete: true})
			}
			continue
		}
		w = append(w, rows.Write{Key: dotKey(rowDead, id.scope, id.dot), Value: bitmap})
	}
	for scope, replicas := range b.touched {
		for r := range replicas {
			now := crdt.Context{r: slices.Clone(b.s.contexts[scope][r])}
			for _, iv := range b.grown[scope][r] {
				now.Add(r, iv)
			}
			w = append(w, rows.Write{Key: replicaKey(rowContext, scope, r), Value: crdt.AppendIntervals(nil, now[r])})
		}
	}
	for scope, d := range b.digests {
		w = append(w, rows.Write{Key: scopeKey(rowDigest, scope), Value: appendDigest(nil, d)})
	}
	for scope, h := range b.heads {
		w = append(w, rows.Write{Key: scopeKey(rowHead, scope), Value: appendHead(nil, h)})
	}
	for i := range ops {
		for _, n := range ops[i].Notes {
			w = append(w, writeNote(n))
		}
	}
	return append(w, b.forks...)
}

// malformed marks a row that cannot be read.
func malformed(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, rows.ErrCorrupt, errors.Join(err, codec.ErrMalformed))
}
