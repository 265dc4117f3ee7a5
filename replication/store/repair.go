package store

import (
	"bytes"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// repair applies a commit as if this store might have lost any part of what it made of it. Pieces that an object knows
// as live stay; the others are applied by the same rules as ever, so what a clock covers or a superseded object held
// stays dead. Its rows then say what the objects say. See DESIGN.md for why that never brings back the dead.
func (b *batch) repair(c *crdt.Commit, out *replication.Outcome) {
	id := scopedDot{c.Scope, c.Dot}
	if other := b.fresh[id]; other != nil {
		if other.commit.Hash() != c.Hash() {
			b.fork(c, other.commit.Hash(), out)
		}
		return
	}
	f := &fresh{commit: c, row: b.held[id] != nil, before: b.bitmaps[id]}
	if f.row {
		if held, err := crdt.DecodeCommit(b.held[id]); err == nil {
			if held.Hash() != c.Hash() {
				b.fork(c, held.Hash(), out)
				return
			}
			f.raw = b.held[id]
		}
	} else if b.other(c) {
		b.fork(c, crdt.Hash{}, out)
		return
	}
	grown := b.grow(c.Scope, c.Dot.Replica, c.Interval())
	b.fresh[id] = f
	from := c.Origin()
	taken, changed := false, false
	for i := range c.Pieces {
		p := &c.Pieces[i]
		key := crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}
		e := b.entry(key)
		changed = b.protect(e, p) || changed
		if !f.has(i, e.object, p, from) {
			ch := e.object.Apply(from, i, p)
			if ch.Taken {
				e.changed, taken = true, true
				b.digests[c.Scope] = b.digest(c.Scope).Plus(crdt.Ref{Origin: from, Piece: i}.Mark())
			} else {
				f.bury(i)
			}
			b.drop(c.Scope, e, ch.Dropped)
			if ch.Taken && p.Kind == crdt.KindItem && e.object.Alarm() {
				out.Alarms = append(out.Alarms, key)
			}
		}
		changed = b.supersede(c.Scope, p, out) || changed
	}
	each(c, func(k crdt.Key) { changed = b.single(b.objects[k]) || changed })
	out.Live, out.Dead = f.count < len(c.Pieces), f.dead
	lost := out.Live && (f.raw == nil || !bytes.Equal(f.dead, f.before)) || !out.Live && (f.row || f.before != nil)
	out.Repaired = taken || changed || lost
	out.New = grown || taken
}

// single has an object with two rows, of which the dormant one is older than it should be, written as one.
func (b *batch) single(e *entry) (changed bool) {
	if !e.live || !e.dormant || e.changed {
		return false
	}
	e.changed = true
	return true
}

// other reports whether an object holds a piece of another commit under the same dot.
func (b *batch) other(c *crdt.Commit) bool {
	from := c.Origin()
	for i := range c.Pieces {
		p := &c.Pieces[i]
		o := b.entry(crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}).object
		for _, item := range o.Items {
			if item.Origin.Dot == from.Dot && item.Origin.Tag != from.Tag {
				return true
			}
		}
		for _, r := range o.Registers {
			for _, s := range r.Siblings {
				if s.Origin.Dot == from.Dot && s.Origin.Tag != from.Tag {
					return true
				}
			}
		}
	}
	return false
}

// holds reports whether an object knows a piece as live.
func holds(o *crdt.Object, p *crdt.Piece, ref crdt.Ref) bool {
	same := func(r crdt.Ref) bool {
		return r.Origin.Dot == ref.Origin.Dot && r.Piece == ref.Piece && r.Origin.Tag == ref.Origin.Tag
	}
	if p.Kind == crdt.KindItem {
		for i := range o.Items {
			if same(o.Items[i].Ref) {
				return true
			}
		}
		return false
	}
	if r := o.Get(p.Name); r != nil {
		for i := range r.Siblings {
			if same(r.Siblings[i].Ref) {
				return true
			}
		}
	}
	return false
}
