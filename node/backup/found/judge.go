package found

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// judge decides about one commit after the other, in the order of scopes, so that lineages come before sales.
type judge struct {
	shop   crdt.ShopID
	own    crdt.ReplicaID // under which the taking till writes itself
	roster *shop.Roster   // of the own store, and what the found one signed of its own lineages
	before *crdt.Commit
}

// verdict is what becomes of an unknown commit.
type verdict struct {
	take     bool
	leave    bool   // it is no sale: left where it is, not refused
	reason   string // why it is refused
	till     crdt.TillID
	receipts []proven
}

// proven is a receipt whose signature holds.
type proven struct {
	id     crdt.ObjectID
	signed receipt.Signed
	doc    receipt.Document
	piece  *crdt.Piece
}

// newJudge reads the roster of the own store.
func newJudge(ctx context.Context, own Own, shopID crdt.ShopID) (*judge, error) {
	j := &judge{shop: shopID, roster: shop.NewRoster(shopID)}
	self, err := own.Identity(ctx)
	if err != nil && !errors.Is(err, store.ErrNoIdentity) {
		return nil, err
	}
	j.own = self.Replica
	have := own.Contexts()[crdt.Shop]
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := own.Live(ctx, crdt.Shop, have, at, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("read the list of tills: %w", err)
		}
		at = next
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return nil, fmt.Errorf("read the list of tills: %w", err)
			}
			_ = j.roster.AddCommit(c) // an entry that does not count is a problem of the roster, shown elsewhere
		}
	}
	return j, nil
}

func (j *judge) unknown(c *crdt.Commit) verdict {
	v := j.look(c)
	// A receipt proves itself. Anything else is only as good as the chain it is in.
	if b := j.before; v.take && len(v.receipts) < len(c.Pieces) && b != nil && b.Scope == c.Scope && b.Dot.Replica == c.Dot.Replica && b.Dot.Seq == c.Pred && b.Hash() != c.Prev {
		v.take, v.reason = false, "it does not follow the commit before it"
	}
	j.before = c
	return v
}

func (j *judge) look(c *crdt.Commit) verdict {
	if c.Dot.Replica == j.own {
		// It would be one of this till's own numbers, with another meaning.
		return verdict{reason: "a copy of this till wrote it elsewhere"}
	}
	switch c.Scope.Kind {
	case crdt.KindShop:
		return j.lineage(c)
	case crdt.KindSales, crdt.KindPayments:
	default:
		return verdict{leave: true}
	}
	till, ok := j.roster.TillOf(c.Dot.Replica)
	if !ok {
		return verdict{reason: "no till of this shop signed for the store that wrote it"}
	}
	v := verdict{take: true, till: till}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || p.Type != receipt.TypeReceipt {
			continue
		}
		r, reason := j.receipt(p, till)
		if reason != "" {
			return verdict{till: till, reason: reason}
		}
		v.receipts = append(v.receipts, r)
	}
	return v
}

// lineage takes a commit by which a till says of itself which store is its own, and nothing else. It may also say that the
// founder secret admitted it: that proves itself, and a till that was restored alone has no other way to become known.
func (j *judge) lineage(c *crdt.Commit) verdict {
	var till crdt.TillID
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind == crdt.KindItem && (p.Type == shop.TypeLineage || j.recovered(p)) {
			// What is not signed by its till does not count, and never will.
			_ = j.roster.AddItem(p.Type, p.Object, p.Raw)
		}
	}
	till, ok := j.roster.TillOf(c.Dot.Replica)
	for i := range c.Pieces {
		p := &c.Pieces[i]
		own := p.Kind == crdt.KindItem && (p.Type == shop.TypeLineage || j.recovered(p)) ||
			p.Kind == crdt.KindRegister && p.Type == shop.TypeTill && ok && p.Object == shop.TillObject(till)
		if !own {
			return verdict{leave: true}
		}
	}
	if !ok || !slices.ContainsFunc(c.Pieces, func(p crdt.Piece) bool { return p.Type == shop.TypeLineage }) {
		return verdict{leave: true}
	}
	return verdict{take: true, till: till}
}

// recovered reports whether an item is an admission that names one of the shop's recovery keys as its signer. Whether that
// signed it the roster says.
func (j *judge) recovered(p *crdt.Piece) bool {
	if p.Type != shop.TypeAdmission {
		return false
	}
	a, err := shop.ParseAdmission(p.Raw)
	return err == nil && slices.ContainsFunc(j.roster.RecoveryKeys(), func(k shop.Recovery) bool { return k.ID() == a.By })
}

// receipt checks a receipt that a till is said to have closed.
func (j *judge) receipt(p *crdt.Piece, till crdt.TillID) (proven, string) {
	if p.Erased {
		return proven{}, "the receipt is erased"
	}
	r, err := receipt.ParseReceipt(p.Raw)
	if err != nil {
		return proven{}, fmt.Sprintf("the receipt cannot be read: %v", err)
	}
	doc, err := r.Verify(p.Object)
	known, _ := j.roster.Till(till)
	switch {
	case err != nil:
		return proven{}, fmt.Sprintf("%s does not prove itself: %v", r.NumberText(), err)
	case doc.Shop.ID != j.shop:
		return proven{}, fmt.Sprintf("%s is of another shop", r.NumberText())
	case doc.Till.ID != till:
		return proven{}, fmt.Sprintf("%s is signed by another till than the one that wrote it", r.NumberText())
	case !slices.ContainsFunc(known.Lineages, func(l shop.Lineage) bool { return l.Prefix == doc.Series }):
		return proven{}, fmt.Sprintf("%s is in a series that is not one of this till", r.NumberText())
	}
	return proven{p.Object, r.Signed, doc, p}, ""
}
