package receipt_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestCheckFindsEachChangedAmount(t *testing.T) {
	// Every number in lines, discounts, payments and totals is bound to others, so a change of any one is seen.
	free := map[string]bool{"Agency": true, "ListPrice": true, "Foreign": true}
	var walk func(v reflect.Value, at string)
	document := sample(t, 3, 8)
	visited := 0
	walk = func(v reflect.Value, at string) {
		switch v.Kind() {
		case reflect.Int64:
			visited++
			before := v.Int()
			for _, delta := range []int64{1, -1} {
				if v.Type() != reflect.TypeFor[receipt.Amount]() {
					delta *= 1000 // less of a quantity or a percentage may be lost in rounding
				}
				v.SetInt(before + delta)
				require.NotEmpty(t, document.Check(), "%s changed by %d", at, delta)
			}
			v.SetInt(before)
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), at)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !free[f.Name] {
					walk(v.Field(i), at+"/"+f.Name)
				}
			}
		}
	}
	v := reflect.ValueOf(&document).Elem()
	for _, name := range []string{"Lines", "Voids", "Totals"} {
		walk(v.FieldByName(name), name)
	}
	walk(reflect.ValueOf(&document.Payments).Elem(), "Payments")
	require.Greater(t, visited, 50)
	require.Empty(t, document.Check())
}

func TestCheckNamesTheProblem(t *testing.T) {
	for _, c := range []struct {
		name       string
		change     func(*receipt.Document)
		code, path string
	}{
		{"version", func(d *receipt.Document) { d.Version = 2 }, receipt.ProblemVersion, "/version"},
		{"kind", func(d *receipt.Document) { d.Kind = "closing" }, receipt.ProblemVersion, "/kind"},
		{"series", func(d *receipt.Document) { d.Series = "K 2" }, receipt.ProblemFormat, "/series"},
		{"number", func(d *receipt.Document) { d.Number = 0 }, receipt.ProblemFormat, "/number"},
		{"currency", func(d *receipt.Document) { d.Currency = "eur" }, receipt.ProblemFormat, "/currency"},
		{"time without offset", func(d *receipt.Document) { d.Closed = "2026-09-03T22:00:00" }, receipt.ProblemFormat, "/closed"},
		{"time with fraction", func(d *receipt.Document) { d.Opened = "2026-09-03T22:00:00.5Z" }, receipt.ProblemFormat, "/opened"},
		{"no such time", func(d *receipt.Document) { d.Lines[1].Time = "2026-02-30T22:00:00Z" }, receipt.ProblemFormat, "/lines/1/time"},
		{"day", func(d *receipt.Document) { d.BusinessDay = "3.9.2026" }, receipt.ProblemFormat, "/business_day"},
		{"no shop name", func(d *receipt.Document) { d.Shop.Name = "" }, receipt.ProblemMissing, "/shop/name"},
		{"no IDs", func(d *receipt.Document) { d.Till.ID[0]++; d.Till.ID = [32]byte{} }, receipt.ProblemMissing, ""},
		{"long name", func(d *receipt.Document) { d.Lines[0].Name = strings.Repeat("ä", 201) }, receipt.ProblemLimit, "/lines/0/name"},
		{"long note", func(d *receipt.Document) { d.Note = strings.Repeat("ä", 1001) }, receipt.ProblemLimit, "/note"},
		{"long customer", func(d *receipt.Document) { d.Customer = &receipt.DocCustomer{Name: strings.Repeat("ä", 201)} }, receipt.ProblemLimit, "/customer/name"},
		{"no lines", func(d *receipt.Document) {
			d.Lines, d.Voids, d.Discounts, d.Payments, d.Totals = nil, nil, nil, nil, receipt.DocTotals{}
		}, receipt.ProblemMissing, "/lines"},
		{"line twice", func(d *receipt.Document) { d.Lines[1].ID = d.Lines[0].ID }, receipt.ProblemTwice, "/lines/1/id"},
		{"line without ID", func(d *receipt.Document) { d.Lines[1].ID = object(0) }, receipt.ProblemMissing, "/lines/1/id"},
		{"payment twice", func(d *receipt.Document) { d.Payments = append(d.Payments, d.Payments[0]) }, receipt.ProblemTwice, "/payments/1/id"},
		{"void of another line", func(d *receipt.Document) { d.Voids[0].Line = object(99) }, receipt.ProblemUnknown, "/voids/0/line"},
		{"negative void", func(d *receipt.Document) { d.Voids[0].Quantity = -1 }, receipt.ProblemLimit, "/voids/0/quantity"},
		{"void unsaid", func(d *receipt.Document) { d.Voids = nil }, receipt.ProblemLine, "/lines/3/voided"},
		{"base", func(d *receipt.Document) { d.Lines[2].Base++ }, receipt.ProblemLine, "/lines/2/base"},
		{"gross", func(d *receipt.Document) { d.Lines[2].Gross++ }, receipt.ProblemLine, "/lines/2/gross"},
		{"discount of a line", func(d *receipt.Document) { d.Lines[0].Discounts[0].Amount++ }, receipt.ProblemDiscount, "/lines/0/discounts/0/amount"},
		{"kind of a discount", func(d *receipt.Document) { d.Discounts[0].Kind = "gift" }, receipt.ProblemKind, "/discounts/0/kind"},
		{"part of the discount", func(d *receipt.Document) { d.Lines[2].TabDiscounts[0]++ }, receipt.ProblemDiscount, "/lines/2/tab_discounts"},
		{"discount twisted", func(d *receipt.Document) { d.Discounts[0].Amount = -d.Discounts[0].Amount }, receipt.ProblemDiscount, "/discounts/0/amount"},
		{"tax kind", func(d *receipt.Document) { d.Lines[0].TaxKind = "standing" }, receipt.ProblemKind, "/lines/0/tax_kind"},
		{"tax", func(d *receipt.Document) { d.Totals.Rates[1].Tax++ }, receipt.ProblemRate, "/totals/rates/1/tax"},
		{"rate", func(d *receipt.Document) { d.Totals.Rates[1].Ref.Rate++ }, receipt.ProblemRate, "/totals/rates/1/rate"},
		{"rate missing", func(d *receipt.Document) { d.Totals.Rates = d.Totals.Rates[:1] }, receipt.ProblemRate, "/totals/rates"},
		{"order of rates", func(d *receipt.Document) {
			r := d.Totals.Rates
			r[0], r[1] = r[1], r[0]
		}, receipt.ProblemRate, "/totals/rates/0/rate"},
		{"total", func(d *receipt.Document) { d.Totals.Gross++ }, receipt.ProblemTotal, "/totals/gross"},
		{"paid", func(d *receipt.Document) { d.Totals.Paid++ }, receipt.ProblemPayment, "/totals/paid"},
		{"not paid", func(d *receipt.Document) { d.Payments, d.Totals.Paid, d.Totals.Change = nil, 0, 0 }, receipt.ProblemPayment, "/totals"},
		{"payment", func(d *receipt.Document) { d.Payments[0].Amount++ }, receipt.ProblemPayment, "/payments/0/amount"},
		{"payment too large", func(d *receipt.Document) { d.Payments[0].Tendered = receipt.MaxAmount + 1 }, receipt.ProblemLimit, "/payments/0/tendered"},
		{"payment declined", func(d *receipt.Document) { d.Payments[0].Progress = "declined" }, receipt.ProblemPayment, "/payments/0/progress"},
		{"foreign money", func(d *receipt.Document) { d.Payments[0].Foreign = &receipt.DocForeign{Currency: "Taler"} }, receipt.ProblemFormat, "/payments/0/foreign/currency"},
		{"not computable", func(d *receipt.Document) { d.Lines[0].Quantity = 0 }, receipt.ProblemTotal, ""},
		{"opening of nothing", func(d *receipt.Document) { d.Opening = &receipt.DocOpening{} }, receipt.ProblemKind, "/opening"},
		{"failure of a receipt", func(d *receipt.Document) { d.Failure = &receipt.DocFailure{Reason: "x"} }, receipt.ProblemKind, "/failure"},
		{"lines of a void", func(d *receipt.Document) {
			d.Kind, d.Failure = receipt.KindVoid, &receipt.DocFailure{Reason: "x"}
		}, receipt.ProblemKind, ""},
		{"too many tabs", func(d *receipt.Document) {
			for i := range receipt.MaxTabs + 1 {
				d.Tabs = append(d.Tabs, receipt.DocTab{ID: object(byte(i + 1))})
			}
		}, receipt.ProblemLimit, "/tabs"},
	} {
		d := sample(t, 3, 4)
		c.change(&d)
		found := false
		for _, p := range d.Check() {
			found = found || p.Code == c.code && p.Path == c.path
			require.NotEmpty(t, p.Text)
		}
		require.True(t, found, "%s: want %s at %q, have %v", c.name, c.code, c.path, d.Check())
	}
}

func TestCheckAllowsVoidsBeyondTheQuantity(t *testing.T) {
	// Two tills void the same line apart: the line is gone once.
	d := sample(t, 3, 4)
	void := d.Voids[0]
	for i := range byte(3) {
		void.ID, void.Quantity = object(130+i), 0
		d.Voids = append(d.Voids, void)
	}
	require.NoError(t, d.FillTotals())
	pay(t, &d)
	require.Equal(t, d.Lines[3].Quantity, d.Lines[3].Voided)
	require.Zero(t, d.Lines[3].Gross)
	require.Empty(t, d.Check())
}

func TestFillTotalsLeavesTheDocumentAloneWhenItFails(t *testing.T) {
	d := sample(t, 3, 4)
	d.Discounts[0].Amount = receipt.MaxAmount
	before, err := d.Canonical()
	require.NoError(t, err)
	require.ErrorIs(t, d.FillTotals(), receipt.ErrDiscount)
	after, err := d.Canonical()
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NotEmpty(t, d.Check())
}

func TestOpeningAndVoidHaveNoProblems(t *testing.T) {
	require.Empty(t, new(opening()).Check())
	require.Empty(t, new(failure(4)).Check())
}
