package crdttest

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// apply returns the state of a replica that took the commits in this order.
func apply(commits []*crdt.Commit) *crdt.State {
	s := crdt.NewState()
	for _, c := range commits {
		s.Apply(c)
	}
	return s
}

func shuffled(r *rand.Rand, commits []*crdt.Commit) []*crdt.Commit {
	out := slices.Clone(commits)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// subset returns about half of the commits in any order, some of them twice.
func (w *world) subset() []*crdt.Commit {
	var out []*crdt.Commit
	for _, c := range shuffled(w.rand, w.commits) {
		for range w.rand.IntN(3) {
			out = append(out, c)
		}
	}
	return shuffled(w.rand, out)
}

// anyOrder: all commits in any order, some of them several times, give one state.
func (w *world) anyOrder() {
	want := dump(model(w.commits))
	require.Equal(w.t, want, dump(apply(w.commits)), "commits in the order they were made")
	for range 3 {
		twice := append(shuffled(w.rand, w.commits), w.subset()...)
		require.Equal(w.t, want, dump(apply(twice)), "commits in another order, some of them twice")
	}
}

// partial: the same with gaps. Every till ended somewhere between nothing and everything.
func (w *world) partial() {
	for _, t := range w.tills {
		require.Equal(w.t, dump(model(w.heldBy(t))), dump(t.state), "a till that took part of the commits")
	}
	for range 2 {
		some := w.subset()
		want := dump(model(some))
		require.Equal(w.t, want, dump(apply(some)), "commits with gaps")
		require.Equal(w.t, want, dump(apply(shuffled(w.rand, some))), "commits with gaps in another order")
	}
}

func (w *world) heldBy(t *till) []*crdt.Commit {
	var out []*crdt.Commit
	for _, c := range w.commits {
		if t.held[c.Dot] {
			out = append(out, c)
		}
	}
	return out
}

// merges: merging states commutes, associates, is idempotent, and says what all commits together say.
func (w *world) merges() {
	a, b, c := w.subset(), w.subset(), w.subset()
	merge := func(parts ...[]*crdt.Commit) *crdt.State {
		s := apply(parts[0])
		for _, p := range parts[1:] {
			s.Merge(apply(p))
		}
		return s
	}
	ab := dump(merge(a, b))
	require.Equal(w.t, ab, dump(merge(b, a)), "merge must commute")
	require.Equal(w.t, dump(model(slices.Concat(a, b))), ab, "merge must say what both together say")
	require.Equal(w.t, dump(apply(a)), dump(merge(a, a)), "merge must be idempotent")

	bc := merge(b, c)
	right := apply(a)
	right.Merge(bc)
	require.Equal(w.t, dump(merge(a, b, c)), dump(right), "merge must associate")

	self := merge(a, b)
	self.Merge(self)
	require.Equal(w.t, ab, dump(self), "a state merged with itself")
}

// sound checks what must hold of every state at every moment.
func (w *world) sound(t *till) {
	s := t.state
	ctx := s.Contexts[w.doc.Scope]
	for dot, live := range s.Commits[w.doc.Scope] {
		require.True(w.t, ctx.Has(dot), "live commit %v is not in the context", dot)
		require.Less(w.t, len(live.Dead), len(live.Commit.Pieces), "commit %v is kept without a live piece", dot)
	}
	for _, c := range w.commits {
		if !ctx.Has(c.Dot) {
			require.Nil(w.t, s.Commits[w.doc.Scope][c.Dot], "commit %v is held beside the context", c.Dot)
			continue
		}
		require.True(w.t, t.held[c.Dot], "the context claims commit %v, which never came", c.Dot)
		for i := range c.Pieces {
			require.True(w.t, w.counts(s, c, i) || w.superseded(s, c, i),
				"piece %d of commit %v is in the context, but neither live nor superseded by something held", i, c.Dot)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.Objects), func(a, b crdt.Key) int { return a.Object.Compare(b.Object) }) {
		for i := range s.Objects[k].Registers {
			w.soundRegister(s, &s.Objects[k].Registers[i])
		}
	}
}

// soundRegister: at most one sibling per replica, all of them concurrent, all of them known to the clock.
func (w *world) soundRegister(s *crdt.State, r *crdt.Register) {
	for i, a := range r.Siblings {
		require.True(w.t, r.Clock.Covers(a.Origin.Dot), "register %q does not know its own sibling", r.Name)
		for j, b := range r.Siblings {
			if i == j {
				continue
			}
			require.NotEqual(w.t, a.Origin.Dot.Replica, b.Origin.Dot.Replica, "two siblings of one replica in %q", r.Name)
			seen := s.Commits[w.doc.Scope][a.Origin.Dot].Commit.Pieces[a.Piece].Clock
			require.False(w.t, seen.Covers(b.Origin.Dot), "a sibling of %q had seen another one", r.Name)
		}
	}
}

// counts reports whether a piece is live in its object and its commit is held.
func (w *world) counts(s *crdt.State, c *crdt.Commit, i int) bool {
	p := &c.Pieces[i]
	live := s.Commits[c.Scope][c.Dot]
	o := s.Objects[crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}]
	if live == nil || live.Dead[i] || o == nil {
		return false
	}
	if p.Kind == crdt.KindItem {
		return slices.ContainsFunc(o.Items, func(it crdt.Copy) bool { return it.Origin.Dot == c.Dot && it.Piece == i })
	}
	r := o.Get(p.Name)
	return r != nil && slices.ContainsFunc(r.Siblings, func(sib crdt.Sibling) bool {
		return sib.Origin.Dot == c.Dot && sib.Piece == i && string(sib.Raw) == string(p.Raw)
	})
}

// superseded reports whether a live piece of a held commit supersedes the piece.
func (w *world) superseded(s *crdt.State, c *crdt.Commit, i int) bool {
	p := &c.Pieces[i]
	o := s.Objects[crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}]
	for _, live := range s.Commits[c.Scope] {
		for j := range live.Commit.Pieces {
			q := &live.Commit.Pieces[j]
			switch {
			case live.Dead[j]:
			case lists(q, p.Type, p.Object):
				return o.Gone
			case p.Kind != crdt.KindRegister:
			case q.Kind == crdt.KindRegister:
				if q.Type == p.Type && q.Object == p.Object && q.Name == p.Name && q.Clock.Covers(c.Dot) &&
					live.Commit.Dot != c.Dot {
					return true
				}
			case slices.ContainsFunc(q.Registers, func(up crdt.RegisterUpTo) bool {
				return up.Type == p.Type && up.Object == p.Object && up.Name == p.Name && up.Clock.Covers(c.Dot)
			}):
				return true
			}
		}
	}
	return false
}

// writes lets a till edit an object until it wrote the register, and reports the commit and the piece, nil if the type
// did not write it in many attempts. An empty name means any register. Commits made on the way are applied at the till.
func (w *world) writes(t *till, id crdt.ObjectID, name string) (c *crdt.Commit, piece int) {
	for range 300 {
		o := w.object(t.state, id)
		pieces := w.pieces(o, id)
		at := slices.IndexFunc(pieces, func(p crdt.Piece) bool {
			return p.Kind == crdt.KindRegister && (name == "" || p.Name == name)
		})
		if at >= 0 {
			return w.commit(t, pieces), at
		}
		// An object may need its item, or another register, before this one can be written.
		if len(pieces) > 0 && name == "" {
			w.commit(t, pieces)
		}
	}
	return nil, 0
}

// concurrent: writes that did not see each other stay side by side, in one order everywhere; a write that saw both
// replaces both.
func (w *world) concurrent() {
	id := crdt.ObjectID(w.bytes(16))
	a, b := w.addTill(), w.addTill()
	first, i := w.writes(a, id, "")
	if first == nil {
		return
	}
	name := first.Pieces[i].Name
	if w.rand.IntN(2) == 0 {
		b.state.Merge(a.state)
		first, _ = w.writes(a, id, name)
	}
	second, _ := w.writes(b, id, name)
	if first == nil || second == nil {
		return
	}
	ab, ba := apply(nil), apply(nil)
	ab.Merge(a.state)
	ab.Merge(b.state)
	ba.Merge(b.state)
	ba.Merge(a.state)
	require.Equal(w.t, dump(ab), dump(ba))
	dots := siblingDots(w.object(ab, id).Get(name))
	require.ElementsMatch(w.t, []crdt.Dot{first.Dot, second.Dot}, dots, "concurrent writes of %q must both stay", name)

	c := w.addTill()
	c.state.Merge(ab)
	third, _ := w.writes(c, id, name)
	if third == nil {
		return
	}
	for _, s := range []*crdt.State{a.state, b.state, ab} {
		s.Merge(c.state)
		require.Equal(w.t, []crdt.Dot{third.Dot}, siblingDots(w.object(s, id).Get(name)),
			"a write of %q that saw both must replace both", name)
	}
}

func siblingDots(r *crdt.Register) (dots []crdt.Dot) {
	if r == nil {
		return nil
	}
	for _, s := range r.Siblings {
		dots = append(dots, s.Origin.Dot)
	}
	return dots
}

// upTo: an item that supersedes a register up to a clock takes what that clock covers; a later or a concurrent write
// stays, whatever comes first.
func (w *world) upTo() {
	id := crdt.ObjectID(w.bytes(16))
	a, b, c := w.addTill(), w.addTill(), w.addTill()
	settled, i := w.writes(a, id, "")
	if settled == nil {
		return
	}
	name := settled.Pieces[i].Name
	seen := w.object(a.state, id).Seen(name)
	concurrent, _ := w.writes(b, id, name)
	c.state.Merge(a.state)
	later, _ := w.writes(c, id, name)
	end := w.commit(a, []crdt.Piece{w.close(crdt.Piece{
		Registers: []crdt.RegisterUpTo{{Type: w.doc.Name, Object: id, Name: name, Clock: seen}},
	})})
	require.Empty(w.t, siblingDots(w.object(a.state, id).Get(name)), "what the clock covers must leave")

	all := []*crdt.Commit{settled, end}
	var want []crdt.Dot
	for _, stays := range []*crdt.Commit{concurrent, later} {
		if stays != nil {
			all, want = append(all, stays), append(want, stays.Dot)
		}
	}
	for range 4 {
		s := apply(shuffled(w.rand, all))
		require.ElementsMatch(w.t, want, siblingDots(w.object(s, id).Get(name)),
			"a later and a concurrent write of %q must survive", name)
	}
}
