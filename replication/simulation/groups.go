package simulation

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt/shop"
)

// groups returns the machines that belong together and can reach each other, directly or through others. Nearly always
// it is one group. Those that are gone for good are in none, and those that another one knows to be revoked neither.
func (s *branch) groups() [][]*Machine {
	var left []*till
	for _, t := range s.tills {
		if !t.m.gone && t.stuck == nil {
			left = append(left, t)
		}
	}
	for again := true; again; {
		again = false
		for i, t := range left {
			if slices.ContainsFunc(left, func(o *till) bool { return o != t && o.roster != nil && o.roster.State(t.m.till) == shop.Revoked }) {
				left, again = slices.Delete(left, i, i+1), true
				break
			}
		}
	}
	var out [][]*Machine
	for len(left) > 0 {
		group := left[:1:1]
		left = left[1:]
		for n := 0; n < len(group); n++ {
			left = slices.DeleteFunc(left, func(o *till) bool {
				if !group[n].mayLink(o) {
					return false
				}
				group = append(group, o)
				return true
			})
		}
		out = append(out, machinesOf(group))
	}
	return out
}

func machinesOf(tills []*till) []*Machine {
	out := make([]*Machine, len(tills))
	for i, t := range tills {
		out[i] = t.m
	}
	slices.SortFunc(out, func(a, b *Machine) int { return a.n - b.n })
	return out
}

// mayLink reports whether two tills could be linked if both ran and nothing was broken.
func (t *till) mayLink(o *till) bool {
	return t.m.till != o.m.till && !t.s.w.pair(t.m, o.m).never &&
		(t.roster == nil || t.allowed(o.m.till)) && (o.roster == nil || o.allowed(t.m.till))
}
