package catalog_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/crdttest"
)

var (
	words  = []string{"Espresso", "Apfelschorle 0,5 l", "Brötchen", "Käsekuchen", "Pfand"}
	days   = []string{catalog.DayOne, "2025-12-31", "2026-01-01", "2026-07-01"}
	nobody = crdt.ObjectID{}
)

// maybe returns a value three times out of ten.
func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(10) < 3 {
		return &v
	}
	return nil
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// names returns names for a new document always, else now and then.
func names(r *rand.Rand, obj *crdt.Object) *catalog.Names {
	n := catalog.Named(pick(r, words))
	if r.IntN(2) == 0 {
		n.Name["en"] = pick(r, words)
	}
	if r.IntN(3) == 0 {
		n.Receipt = map[string]string{"de": pick(r, []string{"Kurz", "Bon"})}
	}
	if obj.Value(catalog.RegisterNames) == nil {
		return &n
	}
	return maybe(r, n)
}

func life(r *rand.Rand) *catalog.Life {
	return maybe(r, catalog.Life{Archived: r.IntN(2) == 0, SinceMS: r.Int64N(1 << 40)})
}

// object returns one of a few IDs, none of which a history uses for its own objects.
func object(r *rand.Rand) crdt.ObjectID { return crdt.ObjectID{0: byte(1 + r.IntN(3)), 15: 1} }

func price(r *rand.Rand) catalog.Price {
	return catalog.Price{Amount: r.Int64N(2000) - 100, Currency: "EUR", Tax: object(r), TaxAway: object(r),
		Unit: pick(r, []string{"", "kg"}), Decimals: r.IntN(2) == 0, Open: r.IntN(5) == 0, Withdrawn: r.IntN(5) == 0}
}

func view[T any](v T, err error) any {
	if err != nil {
		return []any{v, err.Error()}
	}
	return v
}

// written turns what an edit returned into what the suite wants: an edit that is refused is a mistake of the test.
func written(pieces []crdt.Piece, err error) []crdt.Piece {
	if err != nil {
		panic(err)
	}
	return pieces
}

func TestArticleLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: catalog.TypeArticle, Scope: crdt.Catalog,
		Registers: []string{catalog.RegisterNames, catalog.RegisterCodes, catalog.RegisterPlace, catalog.RegisterPrice,
			catalog.RegisterDeposit, catalog.RegisterLife},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			e := catalog.ArticleEdit{
				Names: names(r, obj),
				Codes: maybe(r, catalog.Codes{Barcodes: []string{pick(r, []string{"4006381333931", "20012345"})},
					PLU: pick(r, []string{"", "17"})}),
				Place:   maybe(r, catalog.Place{Group: object(r), Sort: r.Int64N(20), Colour: pick(r, []string{"", "#00ff7f"})}),
				Deposit: maybe(r, catalog.Deposit{Article: object(r)}),
				Life:    life(r),
			}
			if r.IntN(2) == 0 {
				e.Prices = map[string]catalog.Price{pick(r, days): price(r)}
			}
			return written(catalog.EditArticle(id, obj, e))
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any { return view(catalog.ViewArticle(obj)) },
	})
}

func TestGroupLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: catalog.TypeGroup, Scope: crdt.Catalog,
		Registers: []string{catalog.RegisterNames, catalog.RegisterPlace, catalog.RegisterLife},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			return written(catalog.EditGroup(id, obj, catalog.GroupEdit{
				Names: names(r, obj),
				Place: maybe(r, catalog.GroupPlace{Parent: object(r), Sort: r.Int64N(9), Colour: pick(r, []string{"", "#a0b1c2"})}),
				Life:  life(r),
			}))
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any { return view(catalog.ViewGroup(obj)) },
	})
}

func TestTaxLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: catalog.TypeTax, Scope: crdt.Catalog,
		Registers: []string{catalog.RegisterNames, catalog.RegisterRate, catalog.RegisterLife},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			e := catalog.TaxEdit{Names: names(r, obj), Life: life(r)}
			if r.IntN(2) == 0 {
				e.Rates = map[string]catalog.Rate{pick(r, days): {
					BasisPoints: pick(r, []int64{0, 700, 1900}), FiscalKey: r.Int64N(9), Set: pick(r, []string{"", "Normal"}),
					Withdrawn: r.IntN(4) == 0,
				}}
			}
			return written(catalog.EditTax(id, obj, e))
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any { return view(catalog.ViewTax(obj)) },
	})
}
