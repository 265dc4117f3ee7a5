package lineage

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Seal is a lineage of a till that ended, for status pages.
type Seal struct {
	Replica crdt.ReplicaID
	Prefix  string // of its receipt numbers, empty if nobody knows the lineage itself
	// Successors are the lineages that continue it, by time. More than one: copies of the till went on apart.
	Successors []shop.Lineage
	// Last is the last number by scope that any successor knew, sorted.
	Last []shop.ScopeSeq
	// Beyond are scopes in which this store holds numbers after that, sorted, with the highest: what the sealed lineage wrote and
	// its successor did not know, as after a restore. It is history like all other.
	Beyond []shop.ScopeSeq
}

// Seals returns the sealed lineages of a till, in the order in which their first successors began. contexts are what this store
// holds.
func Seals(r *shop.Roster, till crdt.TillID, contexts map[crdt.Scope]crdt.Context) []Seal {
	t, ok := r.Till(till)
	if !ok {
		return nil
	}
	var out []Seal
	for _, l := range t.Lineages {
		if l.Predecessor.IsZero() {
			continue
		}
		i := slices.IndexFunc(out, func(s Seal) bool { return s.Replica == l.Predecessor })
		if i < 0 {
			out = append(out, Seal{Replica: l.Predecessor})
			i = len(out) - 1
			if old, ok := r.Lineage(l.Predecessor); ok && old.Till == till {
				out[i].Prefix = old.Prefix
			}
		}
		out[i].Successors = append(out[i].Successors, l)
		for _, s := range l.Last {
			out[i].Last = raise(out[i].Last, s)
		}
	}
	for i := range out {
		s := &out[i]
		slices.SortFunc(s.Successors, compareLineages)
		for scope, c := range contexts {
			if held := c.Last(s.Replica); held > lastOf(s.Last, scope) {
				s.Beyond = raise(s.Beyond, shop.ScopeSeq{Scope: scope, Seq: held})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Seal) int { return compareLineages(a.Successors[0], b.Successors[0]) })
	return out
}

func compareLineages(a, b shop.Lineage) int {
	switch {
	case a.MS < b.MS:
		return -1
	case a.MS > b.MS:
		return 1
	}
	return a.Replica.Compare(b.Replica)
}

// raise puts a number into a list sorted by scope, where it replaces a lower one.
func raise(list []shop.ScopeSeq, s shop.ScopeSeq) []shop.ScopeSeq {
	i, ok := slices.BinarySearchFunc(list, s.Scope, func(a shop.ScopeSeq, scope crdt.Scope) int { return a.Scope.Compare(scope) })
	if !ok {
		return slices.Insert(list, i, s)
	}
	list[i].Seq = max(list[i].Seq, s.Seq)
	return list
}

func lastOf(list []shop.ScopeSeq, scope crdt.Scope) crdt.Seq {
	for _, s := range list {
		if s.Scope == scope {
			return s.Seq
		}
	}
	return 0
}
