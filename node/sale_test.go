package node_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

var (
	taxID, coffeeID = crdt.ObjectID{1}, crdt.ObjectID{2}
	vat19           = catalog.Named("19 %")
	coffee          = catalog.Named("Cappuccino")
)

// stock gives the shop one article for 3,40 with 19 %.
func stock(t testing.TB, by *running) {
	t.Helper()
	require.NoError(t, by.EditTax(t.Context(), taxID, catalog.TaxEdit{Names: &vat19,
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 1900, FiscalKey: 1}}}))
	require.NoError(t, by.EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{Names: &coffee,
		Prices: map[string]catalog.Price{catalog.DayOne: {Amount: 340, Currency: "EUR", Tax: taxID}}}))
}

func code(t *testing.T, err error) string {
	t.Helper()
	var r *node.Refusal
	require.True(t, errors.As(err, &r), "want a refusal, have %v", err)
	return r.Code
}

func TestATabIsFinishedOnAnotherTillAfterItsOwnerDied(t *testing.T) {
	tills := shopOf(t, 3)
	stock(t, tills[0])
	waitEqual(t, tills...)
	tab, err := tills[0].OpenTab(t.Context(), node.NewTab{Name: "Tisch 7", User: "Anna", Shared: true})
	require.NoError(t, err)
	waitEqual(t, tills...)
	var both sync.WaitGroup
	for _, b := range tills[1:] {
		both.Go(func() {
			_, _, err := b.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 2000, User: "Ben"}})
			require.NoError(t, err)
		})
	}
	both.Wait()
	waitEqual(t, tills...)
	tills[0].stop()

	_, err = tills[2].CloseTab(t.Context(), tab.ID, "Cem", []node.NewPayment{{Type: "Bar", Amount: 1000}})
	require.Equal(t, node.CodeNotPaid, code(t, err))
	r, err := tills[2].CloseTab(t.Context(), tab.ID, "Cem", []node.NewPayment{{Type: "Bar", Amount: 1360, Tendered: 2000}})
	require.NoError(t, err)
	require.Equal(t, "K3-000001", r.Number)
	require.Equal(t, receipt.Amount(1360), r.Parsed.Totals.Gross)
	require.Equal(t, receipt.Amount(640), r.Parsed.Totals.Change)
	require.Empty(t, r.Parsed.Check())

	again := run(t, tills[0].data, tills[1].LinkAddr().String(), tills[2].LinkAddr().String())
	waitEqual(t, again, tills[1], tills[2])
	for _, b := range []*running{again, tills[1], tills[2]} {
		v, err := b.Tab(t.Context(), tab.ID)
		require.NoError(t, err)
		require.Equal(t, node.StateClosed, v.State)
		require.Equal(t, "K3-000001", v.Receipt)
		there, err := b.Receipt(t.Context(), "K3-000001")
		require.NoError(t, err)
		require.Equal(t, r.Document, there.Document)
		require.True(t, there.Verified)
		require.Empty(t, b.Tabs(t.Context()))
		_, _, err = b.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
		require.Equal(t, node.CodeTabClosed, code(t, err))
	}
	require.Eventually(t, func() bool {
		mine, err := tills[2].Receipt(t.Context(), r.ID.String())
		return err == nil && len(mine.Copies) == 2
	}, patience, 5*time.Millisecond, "the receipt is known to be on both other tills")
}

func TestBadLinesAndPaymentsAreRefused(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Name: "Bar", Shared: true})
	require.NoError(t, err)
	add := func(l node.NewLine) error {
		_, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{l})
		return err
	}
	require.Equal(t, node.CodeUnknownArticle, code(t, add(node.NewLine{Article: crdt.ObjectID{9}, Quantity: 1000})))
	require.Equal(t, node.CodeQuantity, code(t, add(node.NewLine{Article: coffeeID})))
	require.Equal(t, node.CodeQuantity, code(t, add(node.NewLine{Article: coffeeID, Quantity: 500})), "half a cup")
	huge := receipt.MaxAmount
	require.Equal(t, node.CodeOverflow, code(t, add(node.NewLine{Article: coffeeID, Quantity: 1_000_000, UnitPrice: &huge})))
	_, err = till.CloseTab(t.Context(), tab.ID, "", nil)
	require.Equal(t, node.CodeEmpty, code(t, err))
	require.NoError(t, add(node.NewLine{ID: crdt.ObjectID{7}, Article: coffeeID, Quantity: 1000}))
	require.NoError(t, add(node.NewLine{ID: crdt.ObjectID{7}, Article: coffeeID, Quantity: 1000}), "a repeated line")
	v, err := till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	require.Len(t, v.Lines, 1)
	for _, p := range []node.NewPayment{{Type: "Bar"}, {Type: "Bar", Amount: 2 * receipt.MaxAmount}, {Type: "Muscheln", Amount: 340}, {Type: "ECKarte", Amount: 341}} {
		_, err := till.Pay(t.Context(), tab.ID, p)
		require.Error(t, err)
		_ = code(t, err)
	}
	require.NoError(t, till.EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{Life: &catalog.Life{Archived: true}}))
	require.Equal(t, node.CodeArchived, code(t, add(node.NewLine{Article: coffeeID, Quantity: 1000})))
	paid, err := till.Pay(t.Context(), tab.ID, node.NewPayment{Type: "ECKarte", Amount: 340})
	require.NoError(t, err)
	require.Zero(t, paid.Due)
	r, err := till.CloseTab(t.Context(), tab.ID, "", nil)
	require.NoError(t, err)
	require.Equal(t, "K1-000001", r.Number, "what was refused used no number")
}

// A line that was settled is history: under its ID nothing can be sold again, on no tab.
func TestTheIDOfASettledLineIsNotUsedAgain(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	line := node.NewLine{ID: crdt.ObjectID{7}, Article: coffeeID, Quantity: 1000}
	first, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), first.ID, []node.NewLine{line})
	require.NoError(t, err)
	second, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), second.ID, []node.NewLine{line})
	require.Equal(t, node.CodeExists, code(t, err), "it is on another tab")
	_, err = till.CloseTab(t.Context(), first.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), second.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}, line})
	require.Equal(t, node.CodeExists, code(t, err), "it is on a receipt")
	v, err := till.Tab(t.Context(), second.ID)
	require.NoError(t, err)
	require.Empty(t, v.Lines, "none of the request was added")
}

// The till dies after it closed and before it kept the answer: the same request finds the receipt, another one does not.
func TestARepeatedCloseFindsItsReceipt(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	pay := []node.NewPayment{{Type: "Bar", Amount: 340}}
	request := node.ForRequest(t.Context(), "k", [32]byte{1})
	_, err = till.CloseTab(request, tab.ID, "", nil)
	require.Equal(t, node.CodeNotPaid, code(t, err), "what was refused is not done")
	first, err := till.CloseTab(request, tab.ID, "", pay)
	require.NoError(t, err)
	till.stop()

	again := run(t, till.data)
	_, kept, err := again.Replay(t.Context(), "k", [32]byte{1})
	require.NoError(t, err)
	require.False(t, kept)
	second, err := again.CloseTab(node.ForRequest(t.Context(), "k", [32]byte{1}), tab.ID, "", pay)
	require.NoError(t, err)
	require.Equal(t, first.Number, second.Number)
	require.Equal(t, first.Document, second.Document)
	_, _, err = again.Replay(t.Context(), "k", [32]byte{2})
	require.ErrorIs(t, err, node.ErrKeyReused)
	_, err = again.CloseTab(node.ForRequest(t.Context(), "k", [32]byte{2}), tab.ID, "", pay)
	require.ErrorIs(t, err, node.ErrKeyReused)
	_, err = again.CloseTab(node.ForRequest(t.Context(), "l", [32]byte{1}), tab.ID, "", pay)
	require.Equal(t, node.CodeTabClosed, code(t, err))
}

func TestVoidsAndDiscountsAreOnTheReceipt(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	ids, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 3000}, {Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	_, err = till.VoidLine(t.Context(), tab.ID, ids[0], node.NewVoid{Quantity: 1000, Reason: "verschüttet"})
	require.NoError(t, err)
	_, err = till.VoidLine(t.Context(), tab.ID, ids[0], node.NewVoid{Quantity: 3000})
	require.Equal(t, node.CodeQuantity, code(t, err))
	_, err = till.Discount(t.Context(), tab.ID, ids[1], node.NewDiscount{Amount: 400})
	require.Equal(t, node.CodeDiscount, code(t, err))
	_, err = till.Discount(t.Context(), tab.ID, ids[1], node.NewDiscount{Percent: true, Rate: 1000})
	require.NoError(t, err)
	v, err := till.Discount(t.Context(), tab.ID, crdt.ObjectID{}, node.NewDiscount{Amount: 86, Reason: "Stammgast"})
	require.NoError(t, err)
	require.Equal(t, receipt.Amount(2*340+306-86), v.Totals.Gross)
	r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: v.Totals.Gross}})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Voids, 1)
	require.Equal(t, receipt.Amount(900), r.Parsed.Totals.Gross)
	require.Empty(t, r.Parsed.Check())
}

func TestReceiptsAreListedNewestFirstAndInPages(t *testing.T) {
	tills := shopOf(t, 2)
	stock(t, tills[0])
	waitEqual(t, tills...)
	for i := range 7 {
		b := tills[i%2]
		tab, err := b.OpenTab(t.Context(), node.NewTab{Shared: true})
		require.NoError(t, err)
		_, _, err = b.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
		require.NoError(t, err)
		_, err = b.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
		require.NoError(t, err)
	}
	waitEqual(t, tills...)
	seen := make(map[string]bool)
	after, pages := "", 0
	for {
		list, next, err := tills[1].Receipts(t.Context(), node.ReceiptFilter{}, after, 3)
		require.NoError(t, err)
		pages++
		for _, s := range list {
			require.False(t, seen[s.Number])
			seen[s.Number] = true
		}
		if next == "" {
			break
		}
		after = next
	}
	require.Len(t, seen, 7)
	require.Equal(t, 3, pages)
	list, _, err := tills[0].Receipts(t.Context(), node.ReceiptFilter{Text: "K2-000003"}, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, _, err = tills[0].Receipts(t.Context(), node.ReceiptFilter{}, "nonsense", 10)
	require.ErrorIs(t, err, node.ErrCursor)
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	sell := func(b *running) string {
		tab, err := b.OpenTab(t.Context(), node.NewTab{Shared: true})
		require.NoError(t, err)
		_, _, err = b.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
		require.NoError(t, err)
		r, err := b.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
		require.NoError(t, err)
		return r.Number
	}
	require.Equal(t, "K1-000001", sell(till))
	require.Equal(t, "K1-000002", sell(till))
	open, err := till.OpenTab(t.Context(), node.NewTab{Name: "offen", Shared: true})
	require.NoError(t, err)
	till.stop()
	again := run(t, till.data)
	v, err := again.Tab(t.Context(), open.ID)
	require.NoError(t, err)
	require.Equal(t, "offen", v.Head.Name)
	require.Equal(t, "K1-000003", sell(again))
	first, err := again.Receipt(t.Context(), "K1-000001")
	require.NoError(t, err)
	third, err := again.Receipt(t.Context(), "K1-000003")
	require.NoError(t, err)
	second, err := again.Receipt(t.Context(), "K1-000002")
	require.NoError(t, err)
	require.Equal(t, first.Hash, second.Parsed.Previous)
	require.Equal(t, second.Hash, third.Parsed.Previous)
}

func TestManySellersOnOneTillGetNumbersWithoutGap(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	const sellers, each = 8, 5
	var mu sync.Mutex
	numbers := make(map[string]bool)
	var all sync.WaitGroup
	for range sellers {
		all.Go(func() {
			for range each {
				tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
				require.NoError(t, err)
				_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
				require.NoError(t, err)
				r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
				require.NoError(t, err)
				mu.Lock()
				numbers[r.Number] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(t, numbers, sellers*each)
	require.True(t, numbers[receipt.NumberText("K1", sellers*each)])
}

func TestAHeldTabIsNotPaidElsewhereUntilItIsTakenOver(t *testing.T) {
	tills := shopOf(t, 2)
	stock(t, tills[0])
	tab, err := tills[0].OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = tills[0].AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	waitEqual(t, tills...)
	_, err = tills[1].CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.Equal(t, node.CodeHeld, code(t, err))
	c, err := tills[1].Claim(t.Context(), tab.ID, "Chef", true)
	require.NoError(t, err)
	require.True(t, c.Granted)
	require.False(t, c.Unreachable)
	waitEqual(t, tills...)
	_, err = tills[0].CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.Equal(t, node.CodeHeld, code(t, err))
	_, err = tills[1].CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
}

func TestManyLinesOfOneRequestAreAllAdded(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	list := make([]node.NewLine, 150) // more than one commit takes
	for i := range list {
		list[i] = node.NewLine{Article: coffeeID, Quantity: 1000}
	}
	ids, v, err := till.AddLines(t.Context(), tab.ID, list)
	require.NoError(t, err)
	require.Len(t, ids, 150)
	require.Len(t, v.Lines, 150)
	bad := append([]node.NewLine{{Article: coffeeID, Quantity: 1000}}, node.NewLine{Article: crdt.ObjectID{9}, Quantity: 1000})
	_, _, err = till.AddLines(t.Context(), tab.ID, bad)
	require.Equal(t, node.CodeUnknownArticle, code(t, err))
	v, err = till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	require.Len(t, v.Lines, 150, "one bad line and none is added")
	r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 150 * 340}})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Lines, 150)
}

func TestALineThatIsSentTwiceAtOnceIsAddedOnce(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	line := node.NewLine{ID: crdt.ObjectID{7}, Article: coffeeID, Quantity: 1000}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{line})
			require.NoError(t, err)
		})
	}
	all.Wait()
	v, err := till.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	require.Len(t, v.Lines, 1)
	require.Empty(t, v.Problems, "no second line with other contents exists under the ID")
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{ID: crdt.ObjectID{8}, Article: coffeeID, Quantity: 1000}, {ID: crdt.ObjectID{8}, Article: coffeeID, Quantity: 1000}})
	require.Equal(t, node.CodeExists, code(t, err))
}
