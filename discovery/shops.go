package discovery

import (
	"context"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Shop is a shop that claims to be on the LAN, with the tills that claim to belong to it, by till ID.
type Shop struct {
	ID    crdt.ShopID
	Tills []Candidate
}

// Shops watches for the given time and returns the shops found, by ID. It needs no identity and announces nothing, so
// a till without a shop can ask. At most MaxEntries tills are kept.
func Shops(ctx context.Context, f Finder, wait time.Duration) []Shop {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	type member struct {
		shop crdt.ShopID
		till crdt.TillID
	}
	found := map[member]Candidate{}
	for c := range f.Watch(ctx) {
		if c.Shop.IsZero() || c.Till.IsZero() {
			continue
		}
		m := member{c.Shop, c.Till}
		if _, known := found[m]; known || len(found) < MaxEntries {
			found[m] = c
		}
	}
	byShop := map[crdt.ShopID][]Candidate{}
	for m, c := range found {
		byShop[m.shop] = append(byShop[m.shop], c)
	}
	var out []Shop
	for id, tills := range byShop {
		slices.SortFunc(tills, func(a, b Candidate) int { return slices.Compare(a.Till[:], b.Till[:]) })
		out = append(out, Shop{ID: id, Tills: tills})
	}
	slices.SortFunc(out, func(a, b Shop) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}
