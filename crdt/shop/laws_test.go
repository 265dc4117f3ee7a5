package shop_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/crdttest"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(2) == 0 {
		return &v
	}
	return nil
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func view[T any](v T, err error) any {
	if err != nil {
		return []any{v, err.Error()}
	}
	return v
}

// written gives the pieces of an edit the object ID of the history: settings and tills have fixed ones of their own.
func written(id crdt.ObjectID, pieces []crdt.Piece, err error) []crdt.Piece {
	if err != nil {
		panic(err)
	}
	for i := range pieces {
		pieces[i].Object = id
	}
	return pieces
}

func TestTillLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: shop.TypeTill, Scope: crdt.Shop, Registers: []string{shop.RegisterName, shop.RegisterMode},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			pieces, err := shop.EditTill(crdt.TillID{}, obj, shop.TillEdit{
				Name: maybe(r, pick(r, "Theke", "Garten", "Café")),
				Mode: maybe(r, pick(r, shop.ModeArchive, shop.ModeMasterData, shop.ModeShared, shop.ModeIndividual)),
			})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any { return view(shop.ViewTill(obj)) },
	})
}

func TestSettingsLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: shop.TypeSettings, Scope: crdt.Shop,
		Registers: []string{shop.RegisterBusiness, shop.RegisterMoney, shop.RegisterDay, shop.RegisterShop, shop.RegisterPrint},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			pieces, err := shop.EditSettings(obj, shop.SettingsEdit{
				Business: maybe(r, shop.Business{Name: pick(r, "Café Süd", "Bäckerei"), Town: "Köln", Country: pick(r, "DE", "AT"),
					TaxNumber: "12/345"}),
				Money: maybe(r, shop.Money{Currency: pick(r, "EUR", "CHF", "PLN")}),
				Day:   maybe(r, shop.Day{Zone: pick(r, "Europe/Berlin", "Europe/Vienna"), CutOff: pick[int64](r, 0, 240, 300)}),
				Shop:  maybe(r, shop.Shop{Name: pick(r, "Süd", "Nord")}),
				Print: maybe(r, shop.PrintRule{Copies: pick[int64](r, 0, 2, 3), Seconds: pick[int64](r, 5, 10)}),
			})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any { return view(shop.ViewSettings(obj)) },
	})
}

// TestItemLaws tries the laws on the types that are one signed item.
func TestItemLaws(t *testing.T) {
	for _, d := range []crdttest.Type{
		{Name: shop.TypeAdmission, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			return shop.Admission{PublicKey: of.public(), Name: "Kasse", Prefix: "K2", By: by.id, MS: 7}.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseAdmission(raw)) })},
		{Name: shop.TypeLineage, Write: once(func(s crdt.ShopID, _, of *device) (crdt.Piece, error) {
			return shop.Lineage{Till: of.id, Replica: of.replica(1), Predecessor: of.replica(0), Prefix: "K2b", MS: 7,
				Last: []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 7}, {Scope: crdt.Sales, Seq: 9}}}.Sign(s, of.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseLineage(raw)) })},
		{Name: shop.TypeRetirement, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			return shop.Departure{Till: of.id, By: by.id, MS: 7, Reason: "verkauft"}.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseDeparture(false, raw)) })},
		{Name: shop.TypeRevocation, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			return shop.Departure{Revoked: true, Till: of.id, By: by.id, MS: 7, Reason: "gestohlen"}.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseDeparture(true, raw)) })},
		{Name: shop.TypeRecovery, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			return shop.Recovery{PublicKey: of.public(), By: by.id, MS: 7}.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseRecovery(raw)) })},
		{Name: shop.TypeTakeover, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			return takeover(by, of).Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseTakeover(raw)) })},
		{Name: shop.TypeCoupling, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			c := coupling(by, 3)
			c.PublicKey = of.public()
			return c.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseCoupling(raw)) })},
		{Name: shop.TypeUncoupling, Write: once(func(s crdt.ShopID, by, of *device) (crdt.Piece, error) {
			c := coupling(by, 3)
			c.PublicKey = of.public()
			return shop.Uncoupling{Coupling: c.ObjectID(), By: by.id, MS: 7}.Sign(s, by.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseUncoupling(raw)) })},
		{Name: shop.TypeSeat, Write: once(func(s crdt.ShopID, _, of *device) (crdt.Piece, error) {
			return shop.Seat{Cloud: of.id, Replica: of.replica(1), Predecessor: of.replica(0), MS: 7}.Sign(s, of.key)
		}), View: each(func(raw []byte) any { return view(shop.ParseSeat(raw)) })},
	} {
		d.Scope, d.Item = crdt.Shop, true
		crdttest.Run(t, d)
	}
}

// once writes the item of an object that has none yet, about a till that depends on the object.
func once(sign func(s crdt.ShopID, by, of *device) (crdt.Piece, error)) func(*rand.Rand, *crdt.Object, crdt.ObjectID) []crdt.Piece {
	founder := newDevice(1)
	s := shop.IDOf(founder.public(), nonce)
	return func(_ *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
		if len(obj.Items) > 0 {
			return nil
		}
		p, err := sign(s, founder, newDevice(uint64(id[0])+2))
		return written(id, []crdt.Piece{p}, err)
	}
}

// each shows every copy of an object's item.
func each(parse func(raw []byte) any) func(*crdt.Object, func(crdt.Ref) []byte) any {
	return func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
		var views []any
		for _, c := range obj.Items {
			views = append(views, parse(load(c.Ref)))
		}
		return views
	}
}
