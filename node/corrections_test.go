package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// sold closes a tab with lines and returns its receipt, paid as given; no payments: in cash.
func sold(t testing.TB, till *running, lines []node.NewLine, payments ...node.NewPayment) node.Receipt {
	t.Helper()
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, v, err := till.AddLines(t.Context(), tab.ID, lines)
	require.NoError(t, err)
	if len(payments) == 0 {
		payments = []node.NewPayment{{Type: receipt.CashType, Amount: v.Due}}
	}
	r, err := till.CloseTab(t.Context(), tab.ID, "Anna", payments)
	require.NoError(t, err)
	return r
}

func TestARefundInPartsSumsToTheReceipt(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	price := receipt.Amount(333)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	ids, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{
		{Article: coffeeID, Quantity: 3000, UnitPrice: &price}, {Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	_, err = till.Discount(t.Context(), tab.ID, crdt.ObjectID{}, node.NewDiscount{Percent: true, Rate: 700})
	require.NoError(t, err)
	v, err := till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	of, err := till.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "ECKarte", Amount: 500}, {Type: "Bar", Amount: v.Due - 500}})
	require.NoError(t, err)

	var back, card receipt.Amount
	for _, c := range []node.Correction{
		{Lines: []receipt.Taken{{Line: ids[0], Quantity: 1000}}, User: "Ben", Reason: "kalt"},
		{Lines: []receipt.Taken{{Line: ids[0], Quantity: 500}}},
		{Lines: []receipt.Taken{{Line: ids[0]}}},
		{},
	} {
		r, err := till.RefundReceipt(t.Context(), of.Number, c)
		require.NoError(t, err)
		require.Empty(t, r.Parsed.Check())
		require.Equal(t, c.Reason, r.Parsed.Reason)
		require.Equal(t, of.ID, r.Parsed.References[0].ID)
		require.Equal(t, of.Hash, *r.Parsed.References[0].Hash)
		require.Equal(t, receipt.ReferRefund, r.Parsed.References[0].Kind)
		back += r.Parsed.Totals.Gross
		for _, p := range r.Parsed.Payments {
			if p.Type == "ECKarte" {
				card += p.Amount
			}
		}
	}
	require.Equal(t, -of.Parsed.Totals.Gross, back, "to the cent")
	require.Equal(t, receipt.Amount(-500), card, "as it was paid")

	_, err = till.RefundReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeRefunded, code(t, err))
	require.ErrorContains(t, err, "K1-000002")
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeRefunded, code(t, err))
	_, err = till.CancelReceipt(t.Context(), "K1-000002", node.Correction{})
	require.Equal(t, node.CodeIsRefund, code(t, err), "a refund of a refund")
	again := sold(t, till, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.Equal(t, "K1-000006", again.Number, "what was refused used no number")
}

func TestACancellationIsTheExactMirror(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	of := sold(t, till, []node.NewLine{{Article: coffeeID, Quantity: 2000}, {Open: &node.OpenItem{Name: "Trinkgeld", Price: 100}, Quantity: 1000, Case: receipt.CaseTip}},
		node.NewPayment{Type: "Bar", Amount: 780, Tendered: 1000})
	r, err := till.CancelReceipt(t.Context(), of.ID.String(), node.Correction{User: "Ben", Reason: "falscher Tisch"})
	require.NoError(t, err)
	require.Equal(t, receipt.ReferCancel, r.Parsed.References[0].Kind)
	require.Equal(t, receipt.Amount(-780), r.Parsed.Totals.Gross)
	for i, rate := range of.Parsed.Totals.Rates {
		mirror := r.Parsed.Totals.Rates[i]
		require.Equal(t, [3]receipt.Amount{-rate.Gross, -rate.Net, -rate.Tax}, [3]receipt.Amount{mirror.Gross, mirror.Net, mirror.Tax})
	}
	require.ElementsMatch(t, []string{receipt.SaleCase, receipt.CaseTip}, []string{r.Parsed.Lines[0].Case, r.Parsed.Lines[1].Case})
	list, err := till.Refunded(t.Context(), of.ID)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, r.Number, list[0].Number)
	require.Equal(t, "Kasse 1", list[0].Till)
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Empty(t, cases)
}

func TestHowTheMoneyGoesBackIsChecked(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	of := sold(t, till, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	pay := func(list ...node.NewPayment) error {
		_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{Payments: list})
		return err
	}
	require.Equal(t, node.CodeAmount, code(t, pay(node.NewPayment{Type: "Bar", Amount: 340})))
	require.Equal(t, node.CodeNotPaid, code(t, pay(node.NewPayment{Type: "Bar", Amount: -300})))
	require.Equal(t, node.CodePayment, code(t, pay(node.NewPayment{Type: "Keine", Amount: -340})))
	require.NoError(t, pay(node.NewPayment{Type: "Guthabenkarte", Amount: -300}, node.NewPayment{Type: "Bar", Amount: -40}))
	r, err := till.Receipt(t.Context(), "K1-000002")
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 2)
}

func TestARepeatedCancellationIsDoneOnce(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	of := sold(t, till, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	ctx := node.ForRequest(t.Context(), "key", [32]byte{1})
	first, err := till.CancelReceipt(ctx, of.Number, node.Correction{})
	require.NoError(t, err)
	second, err := till.CancelReceipt(ctx, of.Number, node.Correction{})
	require.NoError(t, err)
	require.Equal(t, first.Document, second.Document)
}

func TestTheJournalKeepsBusinessCases(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Training: true})
	require.NoError(t, err)
	add := func(n node.NewLine) error {
		n.Quantity = max(n.Quantity, -n.Quantity, 1000) * sign(n.Quantity)
		_, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{n})
		return err
	}
	open := func(name string, price receipt.Amount, tax crdt.ObjectID) *node.OpenItem {
		return &node.OpenItem{Name: name, Price: price, Tax: tax}
	}
	require.Equal(t, node.CodeCase, code(t, add(node.NewLine{Open: open("x", 1, taxID), Case: "Umsätze"})))
	require.Equal(t, node.CodeCase, code(t, add(node.NewLine{Open: open("x", 1, taxID), Case: receipt.CaseTransit})), "cash has its own way")
	require.Equal(t, node.CodeCase, code(t, add(node.NewLine{Open: open("x", 100, taxID), Case: "PfandRueckzahlung"})))
	require.Equal(t, node.CodeCase, code(t, add(node.NewLine{Open: open("x", -100, crdt.ObjectID{}), Case: "MehrzweckgutscheinKauf"})))
	require.Equal(t, node.CodeCase, code(t, add(node.NewLine{Open: open("x", 100, taxID), Case: receipt.CaseTip})), "a tip has no tax")
	require.Equal(t, node.CodeNoPrice, code(t, add(node.NewLine{Open: open("x", 100, crdt.ObjectID{})})), "a sale needs one")

	require.NoError(t, add(node.NewLine{Article: coffeeID, Quantity: -1000}), "a return")
	require.NoError(t, add(node.NewLine{Open: open("Kiste", 310, taxID), Case: "Pfand"}))
	require.NoError(t, add(node.NewLine{Open: open("Leergut", -25, taxID), Case: "PfandRueckzahlung"}))
	require.NoError(t, add(node.NewLine{Open: open("Gutschein", 2000, crdt.ObjectID{}), Case: "MehrzweckgutscheinKauf", Voucher: "G-17", CaseName: "Weihnachten"}))
	require.NoError(t, add(node.NewLine{Open: open("Gutschein", -500, crdt.ObjectID{}), Case: "MehrzweckgutscheinEinloesung", Voucher: "G-3"}))
	require.NoError(t, add(node.NewLine{Open: open("Trinkgeld", 200, crdt.ObjectID{}), Case: receipt.CaseTip}))
	require.NoError(t, add(node.NewLine{Open: &node.OpenItem{Name: "Spende", Price: 100, TaxKey: "5"}}))
	v, err := till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: v.Due, Tendered: v.Due + 55, Foreign: &receipt.DocForeign{Currency: "CHF", Amount: 2000}}})
	require.NoError(t, err)
	require.Empty(t, r.Parsed.Check())
	require.True(t, r.Parsed.Training)
	var cases []string
	for _, l := range r.Parsed.Lines {
		cases = append(cases, l.Case+l.Tax.Key+l.Voucher+l.CaseName)
	}
	require.ElementsMatch(t, []string{"Umsatz1", "Pfand1", "PfandRueckzahlung1", "MehrzweckgutscheinKauf5G-17Weihnachten", "MehrzweckgutscheinEinloesung5G-3",
		"TrinkgeldAN5", "Umsatz5"}, cases)
	p := r.Parsed.Payments[0]
	require.Equal(t, receipt.DocForeign{Currency: "CHF", Amount: 2000}, *p.Foreign)
	require.Equal(t, receipt.Amount(55), p.Change, "in the own currency")

	c, err := till.CancelReceipt(t.Context(), r.Number, node.Correction{})
	require.NoError(t, err)
	require.True(t, c.Parsed.Training, "what was for practice is taken back for practice")
}

func sign(q receipt.Quantity) receipt.Quantity {
	if q < 0 {
		return -1
	}
	return 1
}

func TestCashIsMovedByReceipts(t *testing.T) {
	till := run(t, found(t))
	for what, want := range map[string]struct {
		business string
		sign     receipt.Amount
	}{
		node.CashIn: {"Einzahlung", 1}, node.CashOut: {"Auszahlung", -1}, node.CashDrop: {"Geldtransit", -1}, node.CashPickup: {"Geldtransit", 1},
		node.CashFloat: {"Anfangsbestand", 1}, node.CashPrivateIn: {"Privateinlage", 1}, node.CashPrivateOut: {"Privatentnahme", -1}, node.CashWages: {"Lohnzahlung", -1},
	} {
		r, err := till.MoveCash(t.Context(), node.CashMove{What: what, Amount: 5000, Reason: "weil", User: "Anna"})
		require.NoError(t, err)
		require.Empty(t, r.Parsed.Check())
		require.Equal(t, want.sign*5000, r.Parsed.Totals.Gross)
		require.Equal(t, want.business, r.Parsed.Lines[0].Case)
		require.Equal(t, "5", r.Parsed.Lines[0].Tax.Key)
		require.Equal(t, "Bar", r.Parsed.Payments[0].Type)
		require.Equal(t, "weil", r.Parsed.Reason)
	}
	_, err := till.MoveCash(t.Context(), node.CashMove{What: "away", Amount: 1})
	require.Equal(t, node.CodeCash, code(t, err))
	_, err = till.MoveCash(t.Context(), node.CashMove{What: node.CashOut, Amount: -1})
	require.Equal(t, node.CodeAmount, code(t, err))
	r, err := till.CancelReceipt(t.Context(), "K1-000001", node.Correction{User: "Anna"})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 1)
}

func TestATabIsGivenUp(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	empty, err := till.OpenTab(t.Context(), node.NewTab{Name: "leer"})
	require.NoError(t, err)
	r, err := till.AbandonTab(t.Context(), empty.ID, "Anna", "vertippt")
	require.NoError(t, err)
	require.Equal(t, receipt.KindAborted, r.Parsed.Kind)
	require.Equal(t, "vertippt", r.Parsed.Reason)

	tab, err := till.OpenTab(t.Context(), node.NewTab{Name: "voll"})
	require.NoError(t, err)
	ids, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 2000}})
	require.NoError(t, err)
	_, err = till.Pay(t.Context(), tab.ID, node.NewPayment{Type: "ECKarte", Amount: 100})
	require.NoError(t, err)
	_, err = till.AbandonTab(t.Context(), tab.ID, "Anna", "Gast ging")
	require.Equal(t, node.CodeMoneyTaken, code(t, err))
	_, err = till.VoidLine(t.Context(), tab.ID, ids[0], node.NewVoid{}) // the way out that the refusal names
	require.NoError(t, err)
	back, err := till.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "ECKarte", Amount: -100}})
	require.NoError(t, err)
	require.Zero(t, back.Parsed.Totals.Gross)

	tab, err = till.OpenTab(t.Context(), node.NewTab{Name: "Gast weg"})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 2000}})
	require.NoError(t, err)
	r, err = till.AbandonTab(t.Context(), tab.ID, "Anna", "Gast ging")
	require.NoError(t, err)
	require.Len(t, r.Parsed.Lines, 1)
	require.Zero(t, r.Parsed.Totals.Gross)
	v, err := till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	require.Equal(t, node.StateClosed, v.State)
	_, err = till.CancelReceipt(t.Context(), r.Number, node.Correction{})
	require.Equal(t, node.CodeNothingSold, code(t, err))
}

// TestOpenLinesKeepTheirPrice is the sales part of scenario 10: nothing that becomes of an article reaches what was sold.
func TestOpenLinesKeepTheirPrice(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	seven := crdt.ObjectID{7}
	require.NoError(t, till.EditTax(t.Context(), seven, catalog.TaxEdit{Names: &vat19, Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 700, FiscalKey: 2}}}))
	require.NoError(t, till.EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{Life: &catalog.Life{Archived: true},
		Prices: map[string]catalog.Price{catalog.DayOne: {Amount: 999, Currency: "EUR", Tax: seven}}}))
	r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	require.Equal(t, receipt.Rate(1900), r.Parsed.Totals.Rates[0].Ref.Rate)
	c, err := till.RefundReceipt(t.Context(), r.Number, node.Correction{})
	require.NoError(t, err)
	require.Equal(t, receipt.Amount(-340), c.Parsed.Totals.Gross)
	require.Equal(t, receipt.Rate(1900), c.Parsed.Totals.Rates[0].Ref.Rate)
}
