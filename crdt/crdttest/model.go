package crdttest

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// dump writes down everything a state says, in one order, so that two states are equal if their dumps are.
func dump(s *crdt.State) string {
	var b strings.Builder
	for _, scope := range slices.SortedFunc(maps.Keys(s.Contexts), crdt.Scope.Compare) {
		fmt.Fprintf(&b, "scope %v digest %x\n  context %v\n", scope, s.Digests[scope], s.Contexts[scope])
		for _, dot := range slices.SortedFunc(maps.Keys(s.Commits[scope]), crdt.Dot.Compare) {
			live := s.Commits[scope][dot]
			fmt.Fprintf(&b, "  commit %v %x dead %v\n", dot, live.Commit.Hash(), slices.Sorted(maps.Keys(live.Dead)))
		}
	}
	keys := slices.SortedFunc(maps.Keys(s.Objects), func(x, y crdt.Key) int {
		if c := x.Scope.Compare(y.Scope); c != 0 {
			return c
		}
		if c := strings.Compare(x.Type, y.Type); c != 0 {
			return c
		}
		return x.Object.Compare(y.Object)
	})
	for _, k := range keys {
		fmt.Fprintf(&b, "object %v %s %v\n%s", k.Scope, k.Type, k.Object, dumpObject(s.Objects[k]))
	}
	return b.String()
}

func dumpObject(o *crdt.Object) string {
	var b strings.Builder
	if o.Gone {
		fmt.Fprintf(&b, "  gone by %v\n", o.By)
	}
	for _, c := range o.Items {
		fmt.Fprintf(&b, "  item %s hash %x\n", dumpRef(c.Ref), c.Hash)
	}
	for i := range o.Registers {
		r := &o.Registers[i]
		fmt.Fprintf(&b, "  register %q %v\n", r.Name, r.Clock)
		for _, s := range r.Siblings {
			fmt.Fprintf(&b, "    %s erased %v %s\n", dumpRef(s.Ref), s.Erased, hex.EncodeToString(s.Raw))
		}
	}
	return b.String()
}

func dumpRef(r crdt.Ref) string {
	return fmt.Sprintf("%v#%d %v %d %x", r.Origin.Dot, r.Piece, r.Origin.Stamp.Trusted, r.Origin.Stamp.MS, r.Origin.Tag)
}

// model computes what a replica that holds exactly these commits must say, from the meaning of the rules alone: each
// question is answered by looking at all commits at once, so there is no order that could matter.
func model(commits []*crdt.Commit) *crdt.State {
	all := make(map[crdt.Dot]*crdt.Commit)
	for _, c := range commits {
		all[c.Dot] = c
	}
	s := crdt.NewState()
	for _, c := range all {
		if s.Contexts[c.Scope] == nil {
			s.Contexts[c.Scope] = make(crdt.Context)
			s.Commits[c.Scope] = make(map[crdt.Dot]*crdt.Live)
		}
		s.Contexts[c.Scope].Add(c.Dot.Replica, c.Interval())
		live := &crdt.Live{Commit: c, Dead: make(map[int]bool)}
		for i := range c.Pieces {
			ref := crdt.Ref{Origin: c.Origin(), Piece: i}
			if alive(all, c, i) {
				s.Digests[c.Scope] = s.Digests[c.Scope].Plus(ref.Mark())
			} else {
				live.Dead[i] = true
			}
			mention(s, all, c, i)
		}
		if len(live.Dead) < len(c.Pieces) {
			s.Commits[c.Scope][c.Dot] = live
		}
	}
	return s
}

// alive reports whether nothing among all commits supersedes a piece.
func alive(all map[crdt.Dot]*crdt.Commit, c *crdt.Commit, i int) bool {
	p := &c.Pieces[i]
	for _, other := range all {
		if other.Scope != c.Scope {
			continue
		}
		for j := range other.Pieces {
			q := &other.Pieces[j]
			if lists(q, p.Type, p.Object) {
				return false
			}
			if p.Kind != crdt.KindRegister {
				continue
			}
			if q.Kind == crdt.KindRegister && q.Type == p.Type && q.Object == p.Object && q.Name == p.Name &&
				other.Dot != c.Dot && q.Clock.Covers(c.Dot) {
				return false
			}
			for _, up := range q.Registers {
				if up.Type == p.Type && up.Object == p.Object && up.Name == p.Name && up.Clock.Covers(c.Dot) {
					return false
				}
			}
		}
	}
	return true
}

func lists(q *crdt.Piece, kind string, id crdt.ObjectID) bool {
	for _, o := range q.Objects {
		if o.Type == kind && slices.Contains(o.IDs, id) {
			return true
		}
	}
	return false
}

// mention fills in every object that the piece writes or supersedes.
func mention(s *crdt.State, all map[crdt.Dot]*crdt.Commit, c *crdt.Commit, i int) {
	p := &c.Pieces[i]
	fill(s, all, crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object})
	for _, o := range p.Objects {
		for _, id := range o.IDs {
			fill(s, all, crdt.Key{Scope: c.Scope, Type: o.Type, Object: id})
		}
	}
	for _, up := range p.Registers {
		fill(s, all, crdt.Key{Scope: c.Scope, Type: up.Type, Object: up.Object})
	}
}

func fill(s *crdt.State, all map[crdt.Dot]*crdt.Commit, k crdt.Key) {
	if s.Objects[k] != nil {
		return
	}
	o := new(crdt.Object)
	s.Objects[k] = o
	clocks := make(map[string]crdt.Clock)
	siblings := make(map[string][]crdt.Sibling)
	for _, c := range all {
		if c.Scope != k.Scope {
			continue
		}
		for i := range c.Pieces {
			p := &c.Pieces[i]
			if lists(p, k.Type, k.Object) && (!o.Gone || p.Object.Compare(o.By) < 0) {
				o.Gone, o.By = true, p.Object
			}
			for _, up := range p.Registers {
				if up.Type == k.Type && up.Object == k.Object {
					clocks[up.Name] = clocks[up.Name].Join(up.Clock)
				}
			}
			if p.Type != k.Type || p.Object != k.Object {
				continue
			}
			ref := crdt.Ref{Origin: c.Origin(), Piece: i}
			if p.Kind == crdt.KindItem {
				hash := p.Hash()
				o.Items = append(o.Items, crdt.Copy{Ref: ref, Hash: [16]byte(hash[:16])})
				continue
			}
			clocks[p.Name] = clocks[p.Name].Join(p.Clock)
			if alive(all, c, i) {
				siblings[p.Name] = append(siblings[p.Name], crdt.Sibling{Ref: ref, Raw: p.Raw, Erased: p.Erased})
			}
		}
	}
	if o.Gone {
		o.Items = nil
		return
	}
	slices.SortFunc(o.Items, func(a, b crdt.Copy) int { return a.Origin.Dot.Compare(b.Origin.Dot) })
	for _, name := range slices.Sorted(maps.Keys(clocks)) {
		list := siblings[name]
		slices.SortFunc(list, shownFirst)
		o.Registers = append(o.Registers, crdt.Register{Name: name, Clock: clocks[name], Siblings: list})
	}
}

// shownFirst is the order of design §3.1: trusted, then the later, then the higher dot.
func shownFirst(a, b crdt.Sibling) int {
	x, y := a.Origin, b.Origin
	if x.Stamp.Trusted != y.Stamp.Trusted {
		if x.Stamp.Trusted {
			return -1
		}
		return 1
	}
	if x.Stamp.MS != y.Stamp.MS {
		if x.Stamp.MS > y.Stamp.MS {
			return -1
		}
		return 1
	}
	return y.Dot.Compare(x.Dot)
}
