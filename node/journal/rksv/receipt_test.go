package rksv_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

func line(rate receipt.Rate, gross receipt.Amount, business string) receipt.DocLine {
	quantity := receipt.Quantity(1000)
	if gross < 0 {
		gross, quantity = -gross, -quantity
	}
	return receipt.DocLine{Name: "x", Quantity: quantity, UnitPrice: gross, Tax: receipt.TaxRef{Rate: rate}, Case: business}
}

func document(t *testing.T, kind string, lines ...receipt.DocLine) *receipt.Document {
	t.Helper()
	for i := range lines {
		lines[i].ID = crdt.ObjectID{byte(i + 1)}
	}
	d := &receipt.Document{Version: receipt.DocumentVersion, Kind: kind, Series: "K2", Number: 418, Currency: "EUR",
		Closed: "2026-10-25T02:30:00+01:00", Lines: lines}
	require.NoError(t, d.FillTotals())
	return d
}

func TestOf(t *testing.T) {
	with := func(d *receipt.Document, change func(*receipt.Document)) *receipt.Document { change(d); return d }
	refers := func(kind string) func(*receipt.Document) {
		return func(d *receipt.Document) {
			d.References = []receipt.DocReference{{Kind: kind, Series: "K1", Number: 7}}
		}
	}
	control := func(what string) *receipt.Document {
		return with(document(t, receipt.KindControl), func(d *receipt.Document) { d.Control = &receipt.DocControl{What: what} })
	}
	sale := receipt.SaleCase
	tests := []struct {
		name    string
		doc     *receipt.Document
		kind    rksv.Kind
		amounts rksv.Amounts
	}{
		{"every tax set", document(t, receipt.KindReceipt, line(2000, 1, sale), line(1000, 2, sale), line(1300, 4, sale), line(0, 8, sale),
			line(1900, 16, sale), line(490, 32, sale)), rksv.Standard, rksv.Amounts{1, 2, 4, 8, 48}},
		{"what is no turnover counts nothing", document(t, receipt.KindReceipt, line(2000, 500, sale), line(0, 1000, "MehrzweckgutscheinKauf"),
			line(0, -300, "MehrzweckgutscheinEinloesung"), line(0, 50, "TrinkgeldAN"), line(700, 9, "Forderungsaufloesung")),
			rksv.Standard, rksv.Amounts{500}},
		{"cash to the bank", document(t, receipt.KindReceipt, line(0, -10000, "Geldtransit")), rksv.Standard, rksv.Amounts{}},
		{"a case of our own is turnover", document(t, receipt.KindReceipt, line(1000, 70, "Kurtaxe")), rksv.Standard, rksv.Amounts{0, 70}},
		{"discounts count", document(t, receipt.KindReceipt, line(2000, 500, sale), line(2000, -100, "Rabatt")), rksv.Standard, rksv.Amounts{400}},
		{"a line of nothing may have any tax", document(t, receipt.KindReceipt, line(700, 0, sale)), rksv.Standard, rksv.Amounts{}},
		{"training", with(document(t, receipt.KindReceipt, line(2000, 500, sale)), func(d *receipt.Document) { d.Training = true }),
			rksv.Training, rksv.Amounts{500}},
		{"cancelled", with(document(t, receipt.KindReceipt, line(2000, -500, sale), line(0, 100, "MehrzweckgutscheinEinloesung")),
			refers(receipt.ReferCancel)), rksv.Cancellation, rksv.Amounts{-500}},
		{"refunded", with(document(t, receipt.KindReceipt, line(2000, -500, sale)), refers(receipt.ReferRefund)), rksv.Cancellation, rksv.Amounts{-500}},
		{"refunded against something new", with(document(t, receipt.KindReceipt, line(2000, -500, sale), line(2000, 700, sale)),
			refers(receipt.ReferRefund)), rksv.Standard, rksv.Amounts{200}},
		{"another reference", with(document(t, receipt.KindReceipt, line(2000, -500, sale)), refers("delivery")), rksv.Standard, rksv.Amounts{-500}},
		{"given up", document(t, receipt.KindAborted, line(2000, 500, sale)), rksv.Standard, rksv.Amounts{}},
		{"no receipt", document(t, receipt.KindVoid), rksv.Standard, rksv.Amounts{}},
		{"start", control(receipt.ControlStart), rksv.Start, rksv.Amounts{}},
		{"month", control(receipt.ControlMonth), rksv.Month, rksv.Amounts{}},
		{"year", control(receipt.ControlYear), rksv.Year, rksv.Amounts{}},
		{"collective", control(receipt.ControlCollective), rksv.Collective, rksv.Amounts{}},
		{"final", control(receipt.ControlFinal), rksv.Final, rksv.Amounts{}},
		{"check", control(receipt.ControlCheck), rksv.Check, rksv.Amounts{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := rksv.Of(test.doc)
			require.NoError(t, err)
			require.Equal(t, rksv.Receipt{Kind: test.kind, CashBox: "K2", Number: "K2-000418", Date: "2026-10-25T02:30:00", Amounts: test.amounts}, got)
		})
	}
	for name, bad := range map[string]*receipt.Document{
		"German tax":      document(t, receipt.KindReceipt, line(700, 100, sale)),
		"opening":         document(t, receipt.KindOpening),
		"control of what": control("party"),
		"standard":        control("standard"),
		"no time":         with(document(t, receipt.KindReceipt), func(d *receipt.Document) { d.Closed = "yesterday" }),
	} {
		_, err := rksv.Of(bad)
		require.ErrorIs(t, err, rksv.ErrRequest, name)
	}
}

func TestRecordInADocument(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	x.unit.Fail(nil)
	for _, signed := range []rksv.Signed{x.sign(rksv.Standard, 100), x.sign(rksv.Training, 5)} {
		raw, err := receipt.AppendCanonical(nil, signed.Object())
		require.NoError(t, err)
		v, err := receipt.ParseCanonical(raw)
		require.NoError(t, err)
		back, err := rksv.ParseRecord(v.(receipt.Object))
		require.NoError(t, err)
		require.Equal(t, signed, back)
	}
	for _, bad := range []receipt.Object{nil, {{Name: "kind", Value: receipt.String("tse")}}, {{Name: "kind", Value: receipt.String("rksv")}}} {
		_, err := rksv.ParseRecord(bad)
		require.ErrorIs(t, err, rksv.ErrFormat)
	}
}
