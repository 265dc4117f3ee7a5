package crdt

import (
	"maps"
	"slices"
)

// Key names an object in a scope.
type Key struct {
	Scope  Scope
	Type   string
	Object ObjectID
}

// State is a whole replica in memory: the rules of this package with nothing around them. The store rules in package
// replication/store do the same on rows; the law suite and the simulator's oracle compare the two.
type State struct {
	Contexts map[Scope]Context
	Objects  map[Key]*Object
	Digests  map[Scope]Digest
	Commits  map[Scope]map[Dot]*Live
}

// Live is a commit of which at least one piece counts.
type Live struct {
	Commit *Commit
	Dead   map[int]bool // pieces that stopped counting
}

// NewState returns an empty replica.
func NewState() *State {
	return &State{
		Contexts: make(map[Scope]Context),
		Objects:  make(map[Key]*Object),
		Digests:  make(map[Scope]Digest),
		Commits:  make(map[Scope]map[Dot]*Live),
	}
}

// Apply merges a commit. Commits may come in any order and any number of times.
func (s *State) Apply(c *Commit) {
	if s.Contexts[c.Scope] == nil {
		s.Contexts[c.Scope] = make(Context)
		s.Commits[c.Scope] = make(map[Dot]*Live)
	}
	s.Contexts[c.Scope].Add(c.Dot.Replica, c.Interval())
	if _, held := s.Commits[c.Scope][c.Dot]; held {
		return
	}
	live := &Live{Commit: c, Dead: make(map[int]bool)}
	s.Commits[c.Scope][c.Dot] = live
	from := c.Origin()
	for i := range c.Pieces {
		p := &c.Pieces[i]
		ch := s.object(Key{c.Scope, p.Type, p.Object}).Apply(from, i, p)
		if ch.Taken {
			s.Digests[c.Scope] = s.Digests[c.Scope].Plus(Ref{from, i}.Mark())
		} else {
			live.Dead[i] = true
		}
		s.drop(c.Scope, ch.Dropped)
		for _, o := range p.Objects {
			for _, id := range o.IDs {
				s.drop(c.Scope, s.object(Key{c.Scope, o.Type, id}).SupersedeAll(p.Object))
			}
		}
		for _, r := range p.Registers {
			s.drop(c.Scope, s.object(Key{c.Scope, r.Type, r.Object}).SupersedeUpTo(r.Name, r.Clock))
		}
	}
	if len(live.Dead) == len(c.Pieces) {
		delete(s.Commits[c.Scope], c.Dot)
	}
}

func (s *State) object(k Key) *Object {
	o := s.Objects[k]
	if o == nil {
		o = new(Object)
		s.Objects[k] = o
	}
	return o
}

func (s *State) drop(scope Scope, refs []Ref) {
	for _, ref := range refs {
		s.Digests[scope] = s.Digests[scope].Minus(ref.Mark())
		live := s.Commits[scope][ref.Origin.Dot]
		if live == nil {
			continue
		}
		live.Dead[ref.Piece] = true
		if len(live.Dead) == len(live.Commit.Pieces) {
			delete(s.Commits[scope], ref.Origin.Dot)
		}
	}
}

// Merge takes everything that other holds, as a complete pull does: its live commits, then its context.
func (s *State) Merge(other *State) {
	for _, commits := range other.Commits {
		for _, dot := range slices.SortedFunc(maps.Keys(commits), Dot.Compare) {
			s.Apply(commits[dot].Commit)
		}
	}
	for scope, ctx := range other.Contexts {
		if s.Contexts[scope] == nil {
			s.Contexts[scope] = make(Context)
			s.Commits[scope] = make(map[Dot]*Live)
		}
		s.Contexts[scope].AddAll(ctx)
	}
}
