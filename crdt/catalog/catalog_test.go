package catalog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

var espresso = id(7)

// till writes commits of one replica.
type till struct {
	t       *testing.T
	replica byte
	k       uint32
}

func (w *till) commit(ms int64, pieces []crdt.Piece) *crdt.Commit {
	w.t.Helper()
	w.k++
	var pred crdt.Seq
	if w.k > 1 {
		pred = crdt.NewSeq(1, w.k-1)
	}
	c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: crdt.ReplicaID{w.replica}, Seq: crdt.NewSeq(1, w.k)},
		Pred: pred, Stamp: crdt.Stamp{Trusted: true, MS: ms}, WallMS: ms, Schema: catalog.Schema, Pieces: pieces}
	require.NoError(w.t, c.Seal())
	return c
}

func object7(commits ...*crdt.Commit) *crdt.Object {
	s := crdt.NewState()
	for _, c := range commits {
		s.Apply(c)
	}
	for k, o := range s.Objects {
		if k.Object == espresso {
			return o
		}
	}
	return new(crdt.Object)
}

func registers(pieces []crdt.Piece) (names []string) {
	for _, p := range pieces {
		names = append(names, p.Name)
	}
	return names
}

func edited(t *testing.T, obj *crdt.Object, e catalog.ArticleEdit) []crdt.Piece {
	t.Helper()
	pieces, err := catalog.EditArticle(espresso, obj, e)
	require.NoError(t, err)
	return pieces
}

// full is an article with something in every register.
func full(amount int64) catalog.ArticleEdit {
	n := catalog.Named("Espresso")
	return catalog.ArticleEdit{
		Names: &n, Codes: &catalog.Codes{Barcodes: []string{"4006381333931"}}, Place: &catalog.Place{Group: id(2)},
		Prices:  map[string]catalog.Price{"2026-01-01": {Amount: amount, Currency: "EUR", Tax: id(3)}},
		Deposit: &catalog.Deposit{Article: id(4)}, Life: &catalog.Life{Archived: true, SinceMS: 5},
	}
}

func TestEditWritesOnlyWhatChanges(t *testing.T) {
	k1 := &till{t: t, replica: 1}
	created := edited(t, nil, full(290))
	require.Equal(t, []string{"names", "codes", "place", "price/2026-01-01", "deposit", "life"}, registers(created))
	first := k1.commit(1, created)
	obj := object7(first)

	require.Empty(t, edited(t, obj, full(290)), "the same again")
	again := full(290)
	again.Life.SinceMS = 99
	require.Empty(t, edited(t, obj, again), "archived already")
	require.Empty(t, edited(t, obj, catalog.ArticleEdit{}))

	dearer := edited(t, obj, full(310))
	require.Equal(t, []string{"price/2026-01-01"}, registers(dearer))
	require.True(t, dearer[0].Clock.Covers(first.Dot), "the edit saw the first price")
	a, err := catalog.ViewArticle(object7(first, k1.commit(2, dearer)))
	require.NoError(t, err)
	require.Empty(t, a.Conflicts)
	p, err := a.PriceOn("2026-03-29")
	require.NoError(t, err)
	require.Equal(t, int64(310), p.Amount)
	require.Equal(t, "Espresso", a.Names.In("de"))

	// Defaults are never written.
	n := catalog.Named("Wasser")
	bare := edited(t, nil, catalog.ArticleEdit{Names: &n, Codes: &catalog.Codes{}, Place: &catalog.Place{},
		Deposit: &catalog.Deposit{}, Life: &catalog.Life{}})
	require.Equal(t, []string{"names"}, registers(bare))
	// A tax of zero is a rate all the same.
	zero, err := catalog.EditTax(espresso, nil, catalog.TaxEdit{Names: &n, Rates: map[string]catalog.Rate{catalog.DayOne: {}}})
	require.NoError(t, err)
	require.Equal(t, []string{"names", "rate/0001-01-01"}, registers(zero))
	tax, err := catalog.ViewTax(object7(k1.commit(3, zero)))
	require.NoError(t, err)
	rate, err := tax.RateOn("2026-01-01")
	require.NoError(t, err)
	require.Zero(t, rate.BasisPoints)
}

// withField returns a record with a field that only a newer program knows.
func withField(t *testing.T, raw []byte) []byte {
	t.Helper()
	rec, err := crdt.ParseRecord(raw, catalog.Schema)
	require.NoError(t, err)
	rec.SetRaw("zz", codec.AppendString(nil, "new"))
	return rec.Bytes()
}

func TestEditKeepsUnknownFields(t *testing.T) {
	others := map[string]editable{
		"names": catalog.Named("Anderes"), "codes": catalog.Codes{PLU: "1"}, "price": catalog.Price{Amount: 1, Currency: "EUR", Tax: id(1)},
		"deposit": catalog.Deposit{}, "life": catalog.Life{}, "rate": catalog.Rate{BasisPoints: 700},
	}
	for _, s := range samples {
		raw, err := s.value.Edit(nil)
		require.NoError(t, err)
		kind := strings.Split(s.file, ".")[1]
		other := others[kind]
		if kind == "place" {
			other = catalog.Place{}
			if strings.HasPrefix(s.file, "group") {
				other = catalog.GroupPlace{}
			}
		}
		after, err := other.Edit(withField(t, raw))
		require.NoError(t, err)
		rec, err := crdt.ParseRecord(after, catalog.Schema)
		require.NoError(t, err)
		v, err := rec.String("zz")
		require.NoError(t, err)
		require.Equal(t, "new", v, s.file)
	}
}

func TestNewerRecordIsNotGuessed(t *testing.T) {
	var rec crdt.Record
	rec.SetInt("a", 100)
	rec.RequireReader(catalog.Schema + 1)
	e := full(290)
	pieces := edited(t, nil, e)
	k1 := &till{t: t, replica: 1}
	first := k1.commit(1, pieces)
	newer := k1.commit(2, []crdt.Piece{{Kind: crdt.KindRegister, Type: catalog.TypeArticle, Object: espresso,
		Name: "price/2026-06-01", Raw: rec.Bytes()}})
	obj := object7(first, newer)

	a, err := catalog.ViewArticle(obj)
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
	require.Equal(t, "Espresso", a.Names.In("de"), "all else is shown")
	p, err := a.PriceOn("2026-05-31")
	require.NoError(t, err)
	require.Equal(t, int64(290), p.Amount)
	_, err = a.PriceOn("2026-06-01")
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded, "an older price must not stand in")

	e.Prices = map[string]catalog.Price{"2026-06-01": e.Prices["2026-01-01"]}
	_, err = catalog.EditArticle(espresso, obj, e)
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded, "nor may an older program write over it")
}

func TestConflicts(t *testing.T) {
	k1, k2 := &till{t: t, replica: 1}, &till{t: t, replica: 2}
	first := k1.commit(1, edited(t, nil, full(290)))
	obj := object7(first)
	left := k1.commit(100, edited(t, obj, full(310)))
	right := k2.commit(200, edited(t, obj, full(330)))

	for _, order := range [][]*crdt.Commit{{first, left, right}, {right, first, left}, {left, right, first}} {
		a, err := catalog.ViewArticle(object7(order...))
		require.NoError(t, err)
		require.Len(t, a.Conflicts, 1)
		c := a.Conflicts[0]
		require.Equal(t, "price/2026-01-01", c.Register)
		require.Len(t, c.Values, 2)
		require.Equal(t, right.Dot, c.Values[0].Dot, "the later one is shown")
		require.Equal(t, right.Stamp, c.Values[0].Stamp)
		require.Equal(t, int64(330), c.Values[0].Value.(catalog.Price).Amount)
		require.Equal(t, int64(310), c.Values[1].Value.(catalog.Price).Amount)
		p, err := a.PriceOn("2026-01-01")
		require.NoError(t, err)
		require.Equal(t, int64(330), p.Amount)
	}

	both := object7(first, left, right)
	require.Empty(t, edited(t, both, full(330)), "sending back what is shown decides nothing by accident")
	decide := full(330)
	decide.Resolve = []string{"price/2026-01-01"}
	a, err := catalog.ViewArticle(object7(first, left, right, k2.commit(300, edited(t, both, decide))))
	require.NoError(t, err)
	require.Empty(t, a.Conflicts)

	same := k2.commit(400, edited(t, obj, full(310)))
	a, err = catalog.ViewArticle(object7(first, left, same))
	require.NoError(t, err)
	require.Empty(t, a.Conflicts, "two tills that say the same leave nothing to decide")

	odd := k2.commit(500, []crdt.Piece{{Kind: crdt.KindRegister, Type: catalog.TypeArticle, Object: espresso, Name: "codes",
		Clock: obj.Seen("codes"), Raw: []byte{0xc1}}})
	code := full(290)
	code.Codes.PLU = "9"
	a, err = catalog.ViewArticle(object7(first, odd, k1.commit(450, edited(t, obj, code))))
	require.Error(t, err, "the value to show cannot be read")
	require.Len(t, a.Conflicts, 1)
	require.ErrorIs(t, a.Conflicts[0].Values[0].Err, codec.ErrMalformed)
	require.Nil(t, a.Conflicts[0].Values[0].Value)
	require.Equal(t, "9", a.Conflicts[0].Values[1].Value.(catalog.Codes).PLU)
}

func TestPriceOn(t *testing.T) {
	n := catalog.Named("Espresso")
	price := func(amount int64) catalog.Price { return catalog.Price{Amount: amount, Currency: "EUR", Tax: id(3)} }
	e := catalog.ArticleEdit{Names: &n, Prices: map[string]catalog.Price{
		"2024-02-29": price(1), "2026-03-29": price(2), "2026-10-25": price(3), "2026-12-31": {Withdrawn: true}, "2027-01-01": price(4),
	}}
	k1 := &till{t: t, replica: 1}
	a, err := catalog.ViewArticle(object7(k1.commit(1, edited(t, nil, e))))
	require.NoError(t, err)
	for day, want := range map[string]int64{
		"2024-02-29": 1, "2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 2, "2026-10-24": 2, "2026-10-25": 3,
		"2026-12-30": 3, "2026-12-31": 3, "2027-01-01": 4, "9999-12-31": 4,
	} {
		p, err := a.PriceOn(day)
		require.NoError(t, err, day)
		require.Equal(t, want, p.Amount, day)
	}
	_, err = a.PriceOn("2024-02-28")
	require.ErrorIs(t, err, catalog.ErrNoPrice)
	_, err = catalog.Article{}.PriceOn("2026-01-01")
	require.ErrorIs(t, err, catalog.ErrNoPrice)
	_, err = a.PriceOn("2026-1-1")
	require.ErrorIs(t, err, catalog.ErrInvalid)

	require.Equal(t, id(3), price(1).TaxFor(true))
	away := price(1)
	away.TaxAway = id(5)
	require.Equal(t, id(5), away.TaxFor(true))
	require.Equal(t, id(3), away.TaxFor(false))
}

func TestRateOn(t *testing.T) {
	n := catalog.Named("MwSt normal")
	pieces, err := catalog.EditTax(espresso, nil, catalog.TaxEdit{Names: &n, Rates: map[string]catalog.Rate{
		"2007-01-01": {BasisPoints: 1900, FiscalKey: 1}, "2020-07-01": {BasisPoints: 1600, FiscalKey: 21},
		"2021-01-01": {BasisPoints: 1900, FiscalKey: 1},
	}})
	require.NoError(t, err)
	tax, err := catalog.ViewTax(object7((&till{t: t, replica: 1}).commit(1, pieces)))
	require.NoError(t, err)
	for day, want := range map[string]int64{"2020-06-30": 1900, "2020-07-01": 1600, "2020-12-31": 1600, "2021-01-01": 1900} {
		r, err := tax.RateOn(day)
		require.NoError(t, err)
		require.Equal(t, want, r.BasisPoints, day)
	}
	_, err = tax.RateOn("2006-12-31")
	require.ErrorIs(t, err, catalog.ErrNoRate)
}

func TestCheckDay(t *testing.T) {
	for _, day := range []string{"0001-01-01", "2024-02-29", "2026-12-31", "9999-12-31"} {
		require.NoError(t, catalog.CheckDay(day), day)
	}
	for _, day := range []string{"", "0000-01-01", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-01-01", "2026-01-01 ",
		"+2026-01-01", "10000-01-01", "2026-01-01T00:00", strings.Repeat("9", 500)} {
		require.ErrorIs(t, catalog.CheckDay(day), catalog.ErrInvalid, day)
	}
}

func TestNamesIn(t *testing.T) {
	n := catalog.Names{Name: map[string]string{"de": "Wasser", "en": "Water", "de-AT": "Wosser"}, Receipt: map[string]string{"de": "Wa."}}
	for language, want := range map[string]string{"en": "Water", "en-GB": "Water", "de-AT": "Wosser", "de-CH": "Wasser",
		"ru": "Wasser", "": "Wasser"} {
		require.Equal(t, want, n.In(language), language)
	}
	for language, want := range map[string]string{"de": "Wa.", "en": "Water", "ru": "Wa.", "de-AT": "Wosser"} {
		require.Equal(t, want, n.OnReceipt(language), language)
	}
	require.Equal(t, "Água", catalog.Names{Name: map[string]string{"ru": "Вода", "pt": "Água"}}.In("fr"))
	require.Empty(t, catalog.Names{}.In("de"))
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("ä", catalog.MaxNameRunes+1)
	many := make([]string, catalog.MaxBarcodes+1)
	for i := range many {
		many[i] = strings.Repeat("1", i%48+1) + strings.Repeat("2", i/48)
	}
	eur := catalog.Price{Currency: "EUR", Tax: id(1)}
	wrong := func(change func(*catalog.Price)) catalog.Price {
		p := eur
		change(&p)
		return p
	}
	require.NoError(t, eur.Check())
	require.NoError(t, catalog.Named(long[2:]).Check())
	for want, v := range map[string]editable{
		"at least one name":              catalog.Names{},
		"201 characters":                 catalog.Named(long),
		"control character U+000A":       catalog.Named("a\nb"),
		"control character U+0085":       catalog.Named("a\u0085b"),
		"not valid UTF-8":                catalog.Named("\xff"),
		"is empty":                       catalog.Named("  "),
		"\"Deutsch\" is not a language":  catalog.Names{Name: map[string]string{"Deutsch": "x"}},
		"\"de-\" is not a language":      catalog.Names{Name: map[string]string{"de-": "x"}},
		"receipt text (de)":              catalog.Names{Name: map[string]string{"de": "x"}, Receipt: map[string]string{"de": long}},
		"101 barcodes":                   catalog.Codes{Barcodes: many},
		"barcode has 0 characters":       catalog.Codes{Barcodes: []string{""}},
		"barcode has 49 characters":      catalog.Codes{Barcodes: []string{strings.Repeat("1", 49)}},
		"other than digits and letters":  catalog.Codes{Barcodes: []string{"12-3"}},
		"barcode 1 twice":                catalog.Codes{Barcodes: []string{"1", "2", "1"}},
		"PLU \"ä\"":                      catalog.Codes{PLU: "ä"},
		"colour \"red\"":                 catalog.Place{Colour: "red"},
		"colour \"#FFFFFF\"":             catalog.GroupPlace{Colour: "#FFFFFF"},
		"sort position":                  catalog.Place{Sort: 1 << 40},
		"currency \"eur\"":               wrong(func(p *catalog.Price) { p.Currency = "eur" }),
		"needs a tax":                    wrong(func(p *catalog.Price) { p.Tax = nobody }),
		"price is 10000000000001":        wrong(func(p *catalog.Price) { p.Amount = catalog.MaxPrice + 1 }),
		"price is -10000000000001":       wrong(func(p *catalog.Price) { p.Amount = -catalog.MaxPrice - 1 }),
		"unit has 21 characters":         wrong(func(p *catalog.Price) { p.Unit = long[:42] }),
		"tax rate in basis points is -1": catalog.Rate{BasisPoints: -1},
		"basis points is 10001":          catalog.Rate{BasisPoints: 10001},
		"fiscal key is -1":               catalog.Rate{FiscalKey: -1},
		"tax set contains the control":   catalog.Rate{Set: "\x00"},
		"time of archiving is -1":        catalog.Life{SinceMS: -1},
		"colour \"#12345\"":              catalog.Place{Colour: "#12345"},
		"colour \"1122334\" is not":      catalog.Place{Colour: "1122334"},
	} {
		err := v.Check()
		require.ErrorIs(t, err, catalog.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
	for want, e := range map[string]catalog.ArticleEdit{
		"needs a name": {Codes: &catalog.Codes{PLU: "1"}},
		"own deposit":  {Names: full(1).Names, Deposit: &catalog.Deposit{Article: espresso}},
		"start date":   {Names: full(1).Names, Prices: map[string]catalog.Price{"gestern": eur}},
		"\"names\"":    {Names: &catalog.Names{}},
	} {
		pieces, err := catalog.EditArticle(espresso, nil, e)
		require.ErrorIs(t, err, catalog.ErrInvalid, want)
		require.ErrorContains(t, err, want)
		require.Empty(t, pieces)
	}
	self := catalog.GroupPlace{Parent: espresso}
	_, err := catalog.EditGroup(espresso, nil, catalog.GroupEdit{Names: full(1).Names, Place: &self})
	require.ErrorContains(t, err, "within itself")
}
