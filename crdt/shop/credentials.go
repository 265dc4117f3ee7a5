package shop

import (
	"cmp"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Credentials returns the items by which a till is of the shop: its admissions, those of whoever signed them, and so on to the
// founder. Whoever knows the shop's ID and nothing else can give them to a [NewRoster], which then has the till as a member;
// that it was removed meanwhile they do not say. Nil for a till that was never admitted. The bytes must not be changed.
func (r *Roster) Credentials(till crdt.TillID) []crdt.Piece {
	if r.members[till] == nil {
		return nil
	}
	var out []crdt.Piece
	seen := map[crdt.TillID]bool{till: true}
	for ask := []crdt.TillID{till}; len(ask) > 0; {
		id := ask[len(ask)-1]
		ask = ask[:len(ask)-1]
		next := func(by crdt.TillID) {
			if !seen[by] {
				seen[by] = true
				ask = append(ask, by)
			}
		}
		if m := r.members[id]; m != nil {
			for _, a := range m.admissions {
				out = append(out, item(TypeAdmission, AdmissionID(id), a.raw))
				next(a.By)
			}
		}
		if k, ok := r.recover[id]; ok {
			out = append(out, item(TypeRecovery, k.ObjectID(), k.raw))
			next(k.By)
		}
	}
	slices.SortFunc(out, func(a, b crdt.Piece) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), a.Object.Compare(b.Object), slices.Compare(a.Raw, b.Raw))
	})
	return out
}
