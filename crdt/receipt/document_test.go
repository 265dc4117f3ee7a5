package receipt_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// deviceKey is the same key in every run.
var deviceKey = ed25519.NewKeyFromSeed([]byte("golden documents of receipts, v1"))

func tillID() crdt.TillID { return crdt.TillIDOf(deviceKey.Public().(ed25519.PublicKey)) }

// header makes an empty document of a small shop.
func header(kind string, number int64) receipt.Document {
	return receipt.Document{
		Version: receipt.DocumentVersion,
		Kind:    kind,
		ID:      object(200),
		Shop: receipt.DocShop{
			ID:   crdt.ShopID{1, 2, 3},
			Name: "Café Möwe",
			Address: receipt.DocAddress{
				Street: "Am Hafen 3", Postcode: "26548", Town: "Norderney", Country: "DEU",
			},
			TaxID: "12/345/67890",
		},
		Till:         receipt.DocTill{ID: tillID(), Name: "Tresen", Serial: tillID().String(), Software: "till 0.1.0"},
		Replica:      crdt.ReplicaID{9, 8, 7},
		Series:       "K2",
		Number:       number,
		Previous:     receipt.First(crdt.ShopID{1, 2, 3}, tillID(), "K2"),
		Currency:     "EUR",
		Opened:       "2026-09-03T21:40:11+02:00",
		Closed:       "2026-09-03T22:00:00+02:00",
		BusinessDay:  "2026-09-03",
		ClockTrusted: true,
		User:         "Jule",
	}
}

// sample makes a receipt of n lines with one void and discounts on a line and on the tab.
func sample(t testing.TB, number int64, n int) receipt.Document {
	t.Helper()
	d := header(receipt.KindReceipt, number)
	d.Tabs = []receipt.DocTab{{ID: object(100), Name: "Tisch 7"}}
	names := []string{"Ostfriesentee", "Krabbenbrötchen", "Mineralwasser", "Rote Grütze"}
	for i := range n {
		l := receipt.DocLine{
			ID: object(byte(i + 1)), Tab: object(100), Article: object(byte(50 + i)), Number: fmt.Sprint(100 + i),
			GTIN: "4000000000006", Name: names[i%len(names)], Group: &receipt.DocGroup{ID: object(40), Name: "Speisen"},
			Quantity: receipt.Quantity(1000 * (1 + i%3)), UnitPrice: receipt.Amount(290 + 137*i), Tax: general,
			TaxKind: receipt.EatIn, Case: receipt.SaleCase, User: "Jule", Till: tillID(), Time: "2026-09-03T21:40:11+02:00",
		}
		if i%2 == 1 {
			l.Tax = reduced
		}
		d.Lines = append(d.Lines, l)
	}
	d.Lines[0].Discounts = []receipt.DocDiscount{{Kind: receipt.DiscountPercent, Percent: 1000, Reason: "Stammgast"}}
	d.Voids = []receipt.DocVoid{{ID: object(110), Line: object(byte(n)), Quantity: 500, Reason: "vertippt", User: "Jule",
		Till: tillID(), Time: "2026-09-03T21:41:00+02:00"}}
	d.Discounts = []receipt.DocDiscount{{Kind: receipt.DiscountAmount, Amount: 50, Reason: "Gutschein", User: "Jule"}}
	require.NoError(t, d.FillTotals())
	pay(t, &d)
	return d
}

// pay adds a cash payment of the next whole ten euros.
func pay(t testing.TB, d *receipt.Document) {
	t.Helper()
	tendered := (d.Totals.Gross + 999) / 1000 * 1000
	d.Payments = []receipt.DocPayment{{ID: object(120), Type: "Bar", Name: "Bargeld", Tendered: tendered,
		Change: tendered - d.Totals.Gross, User: "Jule", Till: tillID(), Time: d.Closed}}
	require.NoError(t, d.FillTotals())
}

func TestSampleHasNoProblems(t *testing.T) {
	for _, n := range []int{1, 2, 8, 30} {
		d := sample(t, 1, n)
		require.Empty(t, d.Check())
		again := d
		require.NoError(t, again.FillTotals())
		require.Equal(t, d, again, "filling again changes nothing")
	}
}

func TestDocumentIsCanonicalAndComesBack(t *testing.T) {
	d := sample(t, 7, 8)
	b, err := d.Canonical()
	require.NoError(t, err)
	_, err = receipt.ParseCanonical(b)
	require.NoError(t, err)
	back, err := receipt.ParseDocument(b)
	require.NoError(t, err)
	require.Equal(t, b, back.Raw())
	require.Empty(t, back.Check())
	same(t, d, back)
}

// same compares two documents by everything but the bytes they were parsed from.
func same(t *testing.T, want, got receipt.Document) {
	t.Helper()
	w, g := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := range w.NumField() {
		if w.Type().Field(i).IsExported() {
			require.Equal(t, w.Field(i).Interface(), g.Field(i).Interface(), w.Type().Field(i).Name)
		}
	}
}

// fill sets every field of a document part to something that is not empty, or with chance to nothing at all.
func fill(r *rand.Rand, v reflect.Value, chance int) {
	if v.Type() == reflect.TypeFor[receipt.Object]() {
		v.Set(reflect.ValueOf(receipt.Object{{Name: "zz_later", Value: receipt.Int(r.IntN(9))}, {Name: "aa_later", Value: receipt.Array{receipt.Null{}}},
			{Name: "m_later😀", Value: receipt.Object{}}}[:1+r.IntN(3)]))
		if r.IntN(100) < chance {
			v.SetZero()
		}
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if !f.CanSet() || v.Type().Field(i).Name == "Version" || f.Kind() != reflect.Array && r.IntN(100) < chance {
			continue
		}
		fillOne(r, f, chance)
	}
}

func fillOne(r *rand.Rand, f reflect.Value, chance int) {
	switch f.Kind() {
	case reflect.String:
		f.SetString([]string{"a", "Öl", "\"\\\n\u2028😀", "x y"}[r.IntN(4)])
	case reflect.Int64:
		f.SetInt(1 + r.Int64N(receipt.MaxInteger))
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Array:
		for i := range f.Len() {
			f.Index(i).SetUint(1 + r.Uint64N(255))
		}
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		fillOne(r, f.Elem(), chance)
	case reflect.Slice:
		if f.Type() == reflect.TypeFor[receipt.Object]() {
			fill(r, f, chance)
			return
		}
		f.Set(reflect.MakeSlice(f.Type(), 1+r.IntN(2), 2))
		for i := range f.Len() {
			fillOne(r, f.Index(i), chance)
		}
	case reflect.Struct:
		fill(r, f, chance)
	}
}

// sortUnknown puts unknown fields in the order a parsed document has them in.
func sortUnknown(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			sortUnknown(t, v.Elem())
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[receipt.Object]() {
			if v.Len() > 0 {
				b, err := receipt.AppendCanonical(nil, v.Interface().(receipt.Object))
				require.NoError(t, err)
				sorted, err := receipt.ParseCanonical(b)
				require.NoError(t, err)
				v.Set(reflect.ValueOf(sorted))
			}
			return
		}
		for i := range v.Len() {
			sortUnknown(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				sortUnknown(t, v.Field(i))
			}
		}
	}
}

func TestEveryFieldSurvives(t *testing.T) {
	r := seeded(t)
	for i := range 500 {
		d := receipt.Document{Version: receipt.DocumentVersion}
		fill(r, reflect.ValueOf(&d).Elem(), []int{0, 0, 30, 90}[i%4])
		b, err := d.Canonical()
		require.NoError(t, err)
		back, err := receipt.ParseDocument(b)
		require.NoError(t, err, "%s", b)
		sortUnknown(t, reflect.ValueOf(&d).Elem())
		same(t, d, back)
		again, err := back.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	d := sample(t, 1, 2)
	b, err := d.Canonical()
	require.NoError(t, err)
	good := string(b)
	replace := func(old, by string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, by, 1)
	}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"space", good + " ", receipt.ErrCanonical},
		{"not an object", `[]`, receipt.ErrDocument},
		{"no version", `{}`, receipt.ErrDocument},
		{"later version", replace(`"version":1`, `"version":2`), receipt.ErrVersion},
		{"version as text", replace(`"version":1`, `"version":"1"`), receipt.ErrDocument},
		{"missing", replace(`"business_day":"2026-09-03",`, ``), receipt.ErrDocument},
		{"missing within", replace(`"unit_price":290,`, ``), receipt.ErrDocument},
		{"empty though optional", replace(`"user":"Jule","version"`, `"user":"","version"`), receipt.ErrDocument},
		{"zero though optional", replace(`"basis_points":1000`, `"basis_points":0`), receipt.ErrDocument},
		{"false though optional", replace(`"user":"Jule","version"`, `"training":false,"user":"Jule","version"`), receipt.ErrDocument},
		{"empty list though optional", replace(`"tabs":[{"id":"`+object(100).String()+`","name":"Tisch 7"}]`, `"tabs":[]`), receipt.ErrDocument},
		{"number as text", replace(`"number":1,"opened"`, `"number":"1","opened"`), receipt.ErrDocument},
		{"text as number", replace(`"currency":"EUR"`, `"currency":978`), receipt.ErrDocument},
		{"number as list", replace(`"rates":[`, `"rates":5,"ratez":[`), receipt.ErrDocument},
		{"object as list", replace(`"address":{`, `"address":[],"addresz":{`), receipt.ErrDocument},
		{"truth as number", replace(`"clock_trusted":true`, `"clock_trusted":1`), receipt.ErrDocument},
		{"upper-case hash", replace(d.Previous.String(), strings.ToUpper(d.Previous.String())), receipt.ErrDocument},
		{"short hash", replace(d.Previous.String(), d.Previous.String()[1:]), receipt.ErrDocument},
		{"id", replace(`"id":"`+object(1).String(), `"id":"A`+object(1).String()[1:]), receipt.ErrDocument},
		{"zero id though optional", replace(`"tab":"`+object(100).String(), `"tab":"`+object(0).String()), receipt.ErrDocument},
	} {
		_, err := receipt.ParseDocument([]byte(c.in))
		require.ErrorIs(t, err, c.want, c.name)
	}
	_, err = receipt.ParseDocument([]byte(replace(`"unit_price":290,`, ``)))
	require.ErrorContains(t, err, "/lines/0/unit_price")
}

func TestUnknownFieldsAreKeptAndCannotHideKnownOnes(t *testing.T) {
	d := sample(t, 1, 2)
	d.Lines[1].Unknown = receipt.Object{{Name: "weighed", Value: receipt.Object{{Name: "tare", Value: receipt.Int(12)}}}}
	b, err := d.Canonical()
	require.NoError(t, err)
	back, err := receipt.ParseDocument(b)
	require.NoError(t, err)
	require.Equal(t, d.Lines[1].Unknown, back.Lines[1].Unknown)
	require.Empty(t, back.Check())

	for _, name := range []string{"gross", "voucher"} { // one that is written, one that is left out
		d.Lines[1].Unknown = receipt.Object{{Name: name, Value: receipt.Int(1)}}
		_, err = d.Canonical()
		require.ErrorIs(t, err, receipt.ErrDocument, name)
	}
	d.Lines[1].Unknown = receipt.Object{{Name: "twice", Value: receipt.Int(1)}, {Name: "twice", Value: receipt.Int(1)}}
	_, err = d.Canonical()
	require.ErrorIs(t, err, receipt.ErrDocument)

	deep := receipt.Value(receipt.Int(1))
	for range receipt.MaxDepth - 3 { // the line itself is on level 3
		deep = receipt.Array{deep}
	}
	d.Lines[1].Unknown = receipt.Object{{Name: "deep", Value: deep}}
	b, err = d.Canonical()
	require.NoError(t, err)
	_, err = receipt.ParseDocument(b)
	require.NoError(t, err)
	d.Lines[1].Unknown = receipt.Object{{Name: "deep", Value: receipt.Array{deep}}}
	_, err = d.Canonical()
	require.ErrorIs(t, err, receipt.ErrCanonical)
}

func TestCanonicalRefusesADocumentThatIsTooLarge(t *testing.T) {
	d := sample(t, 1, 2)
	d.Note = strings.Repeat("x", receipt.MaxDocumentBytes)
	_, err := d.Canonical()
	require.ErrorIs(t, err, receipt.ErrCanonical)
	d.Note = "a\xff"
	_, err = d.Canonical()
	require.ErrorIs(t, err, receipt.ErrCanonical)
}
