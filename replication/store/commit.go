package store

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// fresh is a commit of this batch with the pieces that are dead already.
type fresh struct {
	commit *crdt.Commit
	dead   []byte // bitmap
	count  int

	had    []byte // bitmap of the pieces that the objects knew as live before
	raw    []byte // of a repair: the row that is there, if it reads
	row    bool   // of a repair: there is one, whether it reads or not
	before []byte // of a repair: its bitmap, which may be wrong
}

// bury notes that a piece does not count.
func (f *fresh) bury(piece int) {
	if f.dead == nil {
		f.dead = make([]byte, (len(f.commit.Pieces)+7)/8)
	}
	if !isSet(f.dead, piece) {
		f.dead[piece/8] |= 1 << (piece % 8)
		f.count++
	}
}

// has reports, and notes, whether an object knows a piece as live before this batch: its context or its row was lost then.
func (f *fresh) has(i int, o *crdt.Object, p *crdt.Piece, from crdt.Origin) bool {
	if !holds(o, p, crdt.Ref{Origin: from, Piece: i}) {
		return false
	}
	if f.had == nil {
		f.had = make([]byte, (len(f.commit.Pieces)+7)/8)
	}
	f.had[i/8] |= 1 << (i % 8)
	return true
}

func isSet(bitmap []byte, bit int) bool {
	return bit/8 < len(bitmap) && bitmap[bit/8]&(1<<(bit%8)) != 0
}

func (b *batch) commit(op *replication.Op, out *replication.Outcome) error {
	c := op.Commit
	id := scopedDot{c.Scope, c.Dot}
	other := b.fresh[id]
	if other != nil && other.commit.Hash() == c.Hash() {
		return nil
	}
	if raw := b.held[id]; raw != nil || other != nil {
		var hash crdt.Hash
		if raw != nil {
			if held, err := crdt.DecodeCommit(raw); err == nil {
				if hash = held.Hash(); hash == c.Hash() {
					return nil
				}
			}
		} else {
			hash = other.commit.Hash()
		}
		// A fork, or held bytes that no longer read: keep what came, and say so.
		b.fork(c, hash, out)
		return nil
	}
	if op.Own && b.stale(op) {
		return replication.ErrStale
	}
	out.New = b.grow(c.Scope, c.Dot.Replica, c.Interval())
	if op.Own {
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
		b.protect(e, p)
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
		} else if !f.has(i, e.object, p, from) {
			f.bury(i)
		}
		b.drop(c.Scope, e, ch.Dropped)
		b.supersede(c.Scope, p, out)
	}
	if sum != (crdt.Digest{}) {
		b.digests[c.Scope] = b.digest(c.Scope).Plus(sum)
	}
	out.Live, out.Dead = f.count < len(c.Pieces), f.dead
	out.New = out.New || out.Live
	return nil
}

// stale reports whether the author of an own change had not seen this replica's last write of a register although that
// write knew something the new one does not: stores that meet the two in another order would differ for ever.
func (b *batch) stale(op *replication.Op) bool {
	for i, seen := range op.Seen {
		p := &op.Commit.Pieces[i]
		if p.Kind != crdt.KindRegister {
			continue
		}
		e := b.entry(crdt.Key{Scope: op.Commit.Scope, Type: p.Type, Object: p.Object})
		clock := e.object.Seen(p.Name)
		if clock.Get(op.Commit.Dot.Replica) > seen && !p.Clock.CoversAll(clock) {
			return true
		}
	}
	return false
}

func (b *batch) fork(c *crdt.Commit, held crdt.Hash, out *replication.Outcome) {
	tag := c.Hash()
	b.forks = append(b.forks, rows.Write{Key: append(dotKey(rowFork, c.Scope, c.Dot), tag[:16]...), Value: c.Bytes()})
	out.Fork, out.Held = true, held
}

// protect marks the object of an item that supersedes others. Such an item is never superseded itself: a till that pulls
// learns only of what is live, so its list would be forgotten and what it lists come back. If an item that came
// earlier lists it nevertheless, it comes back without what else the object had.
func (b *batch) protect(e *entry, p *crdt.Piece) (changed bool) {
	if len(p.Objects)+len(p.Registers) == 0 || e.lists {
		return false
	}
	e.lists, e.changed = true, true
	if e.object.Gone {
		e.object = new(crdt.Object)
	}
	return true
}

// supersede does what the lists of a piece say, and reports whether that changed anything.
func (b *batch) supersede(scope crdt.Scope, p *crdt.Piece, out *replication.Outcome) (changed bool) {
	for _, o := range p.Objects {
		for _, object := range o.IDs {
			key := crdt.Key{Scope: scope, Type: o.Type, Object: object}
			e := b.objects[key]
			switch {
			case e.lists:
				out.Ignored = append(out.Ignored, key)
				continue
			case e.object.Gone && e.object.By.Compare(p.Object) <= 0:
				continue
			}
			e.changed, changed = true, true
			b.drop(scope, e, e.object.SupersedeAll(p.Object))
		}
	}
	for _, r := range p.Registers {
		e := b.objects[crdt.Key{Scope: scope, Type: r.Type, Object: r.Object}]
		if reg := e.object.Get(r.Name); e.object.Gone || reg != nil && reg.Clock.CoversAll(r.Clock) && !stands(reg, r.Clock) {
			continue
		}
		e.changed, changed = true, true
		b.drop(scope, e, e.object.SupersedeUpTo(r.Name, r.Clock))
	}
	return changed
}

// stands reports whether a value is live that the clock covers.
func stands(r *crdt.Register, clock crdt.Clock) bool {
	for i := range r.Siblings {
		if clock.Covers(r.Siblings[i].Origin.Dot) {
			return true
		}
	}
	return false
}

// together returns how many of the pieces at the beginning write registers of the same object.
func together(pieces []crdt.Piece) int {
	n := 0
	for n < len(pieces) && pieces[n].Kind == crdt.KindRegister && pieces[n].Object == pieces[0].Object {
		n++
	}
	return n
}

func (b *batch) drop(scope crdt.Scope, e *entry, refs []crdt.Ref) {
	for _, ref := range refs {
		b.digests[scope] = b.digest(scope).Minus(ref.Mark())
		id := scopedDot{scope, ref.Origin.Dot}
		if f := b.fresh[id]; f != nil {
			f.bury(ref.Piece)
		} else {
			b.dead[id] = append(b.dead[id], deadRef{ref, e.key})
		}
	}
}
