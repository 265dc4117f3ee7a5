package shop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// Problem is something about the roster that a person has to look at. Nothing stops because of it.
type Problem struct {
	Till crdt.TillID // the till it is about
	Text string
}

// Problems returns what a person has to look at, the same on every till that holds the same items: items that are not
// signed by who they say, items whose signer is not known, a prefix that two tills or lineages have, a replica that two
// tills claim.
func (r *Roster) Problems() []Problem {
	out := slices.Clone(r.refused)
	for _, c := range r.waiting {
		out = append(out, Problem{c.about, fmt.Sprintf(
			"%s does not count: %s, which signed it, is not in the roster or may not say this", c.typ, signerText(&c))})
	}
	tills, series := make(map[string][]crdt.TillID), make(map[string][]Lineage)
	for id, m := range r.members {
		for p := range m.bases() {
			if !slices.Contains(tills[p.String()], id) {
				tills[p.String()] = append(tills[p.String()], id)
			}
		}
		for _, l := range m.lineages {
			series[l.Prefix] = append(series[l.Prefix], l)
		}
	}
	for p, ids := range tills {
		if len(ids) > 1 {
			out = append(out, Problem{slices.MinFunc(ids, crdt.TillID.Compare),
				fmt.Sprintf("%d tills have the number prefix %s", len(ids), p)})
		}
	}
	for p, claims := range series {
		if len(claims) > 1 {
			first := slices.MinFunc(claims, func(a, b Lineage) int { return a.Till.Compare(b.Till) })
			out = append(out, Problem{first.Till, fmt.Sprintf("%d lineages have the number prefix %s", len(claims), p)})
		}
	}
	for replica, claims := range r.replica {
		if slices.ContainsFunc(claims, func(l Lineage) bool { return l.Till != claims[0].Till }) {
			out = append(out, Problem{claims[0].Till, fmt.Sprintf("replica %v is claimed by %d tills", replica, len(claims))})
		}
	}
	out = append(out, r.cloudProblems()...)
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Or(a.Till.Compare(b.Till), strings.Compare(a.Text, b.Text)) })
	return out
}

// signerText says who signed an item that does not count.
func signerText(c *claim) string {
	if c.typ == TypeSeat {
		return "cloud " + c.signer.Short()
	}
	return "till " + c.signer.Short()
}
