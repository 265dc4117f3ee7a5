package goods_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

const day = "2026-01-01"

var (
	coffees = crdt.ObjectID{1}
	normal  = crdt.ObjectID{2}
)

func ref[T any](v T) *T { return &v }

func TestConflictsAreShownAndDecided(t *testing.T) {
	list := []catalog.Conflict{{Register: catalog.RegisterPrice + day, Values: []catalog.Candidate{
		{Stamp: crdt.Stamp{MS: 1_700_000_000_000}, Value: catalog.Price{Amount: 340, Currency: "EUR"}}, {Value: nil},
	}}}
	shown := goods.ShowConflicts(list)
	require.Len(t, shown, 1)
	require.Equal(t, "2023-11-14T22:13:20.000Z", shown[0].Values[0].At)
	require.Equal(t, goods.Price{Price: 340, Currency: "EUR"}, shown[0].Values[0].Value)
	require.Nil(t, shown[0].Values[1].Value)
	require.Equal(t, []string{catalog.RegisterPrice + day}, goods.Decided(list, catalog.RegisterNames, catalog.RegisterPrice+day))
	require.Empty(t, goods.Decided(list, catalog.RegisterNames))
	for _, v := range []any{catalog.Names{}, catalog.Codes{}, catalog.Place{}, catalog.GroupPlace{}, catalog.Price{}, catalog.Rate{},
		catalog.Deposit{}, catalog.Life{}} {
		shown := goods.ShowConflicts([]catalog.Conflict{{Values: []catalog.Candidate{{Value: v}}}})
		require.NotNil(t, shown[0].Values[0].Value, "%T", v)
	}
}

// What is left out stays as it is, within a register too.
func TestEditKeepsWhatIsLeftOut(t *testing.T) {
	was := catalog.Article{
		Names: catalog.Names{Name: map[string]string{"de": "Espresso"}, Receipt: map[string]string{"de": "Esp.", "en": "Esp"}},
		Codes: catalog.Codes{Barcodes: []string{"40"}, PLU: "12"},
		Place: catalog.Place{Group: coffees, Sort: 7, Colour: "#1a2b3c"},
	}
	none, err := (&goods.Article{ID: "ignored", Updated: "ignored"}).Edit("body.", was, "EUR", 1)
	require.NoError(t, err)
	require.Equal(t, catalog.ArticleEdit{}, none)
	require.Empty(t, goods.Named(none))

	e, err := (&goods.Article{Short: ref(""), PLU: ref("13"), Sort: ref(int64(8)), Archived: ref(true)}).Edit("body.", was, "EUR", 99)
	require.NoError(t, err)
	require.Equal(t, &catalog.Names{Name: was.Names.Name, Receipt: map[string]string{"en": "Esp"}}, e.Names)
	require.Equal(t, "Esp.", was.Names.Receipt["de"], "what was is not written on")
	require.Equal(t, &catalog.Codes{Barcodes: []string{"40"}, PLU: "13"}, e.Codes)
	require.Equal(t, &catalog.Place{Group: coffees, Sort: 8, Colour: "#1a2b3c"}, e.Place)
	require.Equal(t, &catalog.Life{Archived: true, SinceMS: 99}, e.Life)
	require.ElementsMatch(t, []string{catalog.RegisterNames, catalog.RegisterCodes, catalog.RegisterPlace, catalog.RegisterLife}, goods.Named(e))

	same, err := (&goods.Article{Archived: ref(false)}).Edit("body.", was, "EUR", 99)
	require.NoError(t, err)
	require.Nil(t, same.Life, "it is so already")
}

func TestEditPrices(t *testing.T) {
	in := goods.Article{Prices: []goods.Price{{From: day, Price: 340, Tax: normal.String()}, {From: "2026-07-01", Price: 360, Currency: "CHF", Withdrawn: true}}}
	e, err := in.Edit("body.", catalog.Article{}, "EUR", 1)
	require.NoError(t, err)
	require.Equal(t, map[string]catalog.Price{
		day: {Amount: 340, Currency: "EUR", Tax: normal}, "2026-07-01": {Amount: 360, Currency: "CHF", Withdrawn: true},
	}, e.Prices)

	for field, in := range map[string]goods.Article{
		"body.prices[1].from":         {Prices: []goods.Price{{From: day}, {From: day}}},
		"body.prices[0].tax":          {Prices: []goods.Price{{From: day, Tax: "x"}}},
		"body.prices[0].tax_takeaway": {Prices: []goods.Price{{From: day, TaxTakeaway: "x"}}},
		"body.group":                  {Group: ref("x")},
		"body.deposit":                {Deposit: ref("x")},
	} {
		_, err := in.Edit("body.", catalog.Article{}, "EUR", 1)
		p, ok := errors.AsType[*httpapi.Problem](err)
		require.True(t, ok, field)
		require.Equal(t, field, p.Field)
		require.Equal(t, 422, p.Status)
	}
}

// A row is looked up before it is written where it names a part of a register only.
func TestPartial(t *testing.T) {
	for _, partial := range []goods.Article{{Short: ref("x")}, {Names: map[string]string{"de": "x"}}, {PLU: ref("1")}, {Group: ref("")}, {Sort: ref(int64(1))}, {Archived: ref(true)}} {
		require.True(t, partial.Partial(), "%+v", partial)
	}
	whole := goods.Article{Names: map[string]string{"de": "x"}, Short: ref(""), Barcodes: ref([]string{}), PLU: ref(""), Deposit: ref("")}
	require.False(t, whole.Partial())
}

func TestShow(t *testing.T) {
	got := goods.Show(coffees, catalog.Article{
		Names: catalog.Names{Name: map[string]string{"de": "Espresso"}},
		Prices: []catalog.DatedPrice{{From: day, Price: catalog.Price{Amount: 340, Currency: "EUR", Tax: normal}},
			{From: "2026-02-01", Price: catalog.Price{Withdrawn: true}}},
		Life: catalog.Life{SinceMS: 1_700_000_000_000},
	}, nil)
	require.Equal(t, []goods.Price{{From: day, Price: 340, Currency: "EUR", Tax: normal.String()}}, got.Prices)
	require.Equal(t, "2023-11-14T22:13:20.000Z", got.Updated)
	require.Equal(t, []string{}, *got.Barcodes, "a list, not null")
	require.Empty(t, *got.Group)
	require.False(t, got.UpdateNeeded)
}
