package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
)

// opening returns the document that opens the series of a new lineage: number 0, to which number 1 is chained.
func (o *Origin) opening(r lineage.Renewed, s shop.Settings, roster *shop.Roster, now time.Time, trusted bool) ([]replication.Local, error) {
	zone, err := time.LoadLocation(s.Day.Zone)
	if err != nil {
		zone = time.UTC // the hour of it is worth less than that it is there
	}
	local := now.In(zone)
	self, _ := roster.Till(o.Identity.Till)
	start := receipt.SeriesStart{
		Shop:    docShop(o.Identity.Shop, s),
		Till:    receipt.DocTill{ID: o.Identity.Till, Name: or(self.Name, self.Prefix), Serial: o.Identity.Till.String(), Software: software(o.Version)},
		Replica: r.Lineage.Replica, Series: r.Lineage.Prefix, Currency: s.Money.Currency,
		Time: local.Format(time.RFC3339), BusinessDay: s.Day.BusinessDay(local), ClockTrusted: trusted,
		Continues: receipt.DocOpening{
			Replica: r.Lineage.Predecessor, Series: r.LastPrefix, LastNumber: int64(r.LastNumber), Reason: reason(r.Alarm.Doubts),
		},
		Sign: func(document []byte) (receipt.Signed, error) { return receipt.Sign(o.Key, document) },
	}
	start.Shop.Name = or(start.Shop.Name, start.Till.Name)
	if r.LastHash != nil {
		hash := receipt.Digest(*r.LastHash)
		start.Continues.LastHash = &hash
	}
	opened, err := receipt.BuildOpening(start)
	if err != nil {
		return nil, err
	}
	return []replication.Local{{
		Scope: crdt.Sales, Schema: receipt.Schema, Pieces: []crdt.Piece{opened.Piece},
		Stamp: crdt.Stamp{Trusted: trusted, MS: now.UnixMilli()}, WallMS: o.Now().UnixMilli(),
		Notes: []replication.Note{{Key: store.SeriesNote + r.Lineage.Prefix, Value: store.AppendSeries(nil, 0, crdt.Hash(opened.Hash))}},
	}}, nil
}

func reason(doubts []lineage.Doubt) string {
	kinds := make([]string, 0, len(doubts))
	for _, d := range doubts {
		kinds = append(kinds, string(d.Kind))
	}
	return strings.Join(kinds, ", ")
}

// opened returns the document that opened a series of this shop, as a receipt is returned.
func (t *Till) opened(ctx context.Context, id crdt.ObjectID) (Receipt, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeOpening, id))
	if err != nil {
		return Receipt{}, err
	}
	if len(obj.Items) == 0 {
		return Receipt{}, fmt.Errorf("opening %v: %w", id, ErrNotFound)
	}
	ref := obj.Items[0].Ref
	piece, err := t.store.Piece(ctx, crdt.Sales, ref)
	if err != nil {
		return Receipt{}, err
	}
	if piece == nil {
		return Receipt{}, fmt.Errorf("opening %v: %w", id, ErrNotFound)
	}
	item, err := receipt.ParseOpening(piece.Raw)
	if err != nil {
		return Receipt{}, fmt.Errorf("opening %v: %w", id, err)
	}
	r := Receipt{
		ID: id, Number: number(item.Series, 0), Document: item.Document, Hash: receipt.Hash(item.Document), Signed: item.Signed, Here: true,
		Copies: t.holders(dotsOf(obj.Items)...), Alarm: obj.Alarm(),
	}
	parsed, verifyErr := item.Verify(id)
	if verifyErr != nil {
		if parsed, err = receipt.ParseDocument(item.Document); err != nil {
			return r, fmt.Errorf("opening %s: %w", r.Number, err)
		}
	}
	r.Parsed, r.Till = parsed, parsed.Till.ID
	_, member := t.roster.publicKey(r.Till)
	r.Verified = verifyErr == nil && member
	return r, nil
}
