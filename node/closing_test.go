package node_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// sellCoffee closes a tab with cups of coffee, paid in one way.
func sellCups(t testing.TB, by *running, cups int, kind string) node.Receipt {
	t.Helper()
	tab, err := by.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, v, err := by.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: receipt.Quantity(1000 * cups)}})
	require.NoError(t, err)
	r, err := by.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: kind, Amount: v.Due}})
	require.NoError(t, err)
	return r
}

func amountOf(a receipt.Amount) *receipt.Amount { return &a }

func requestOf(ctx context.Context, key string) context.Context {
	return node.ForRequest(ctx, key, sha256.Sum256([]byte(key)))
}

func warned(c node.Closing) (codes []string) {
	for _, w := range c.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

// TestClosingWithCountDropAndFloat goes through two periods: what is counted, what differs, what goes to the bank, and what
// the next period begins with.
func TestClosingWithCountDropAndFloat(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	_, err := till.MoveCash(t.Context(), node.CashMove{What: node.CashFloat, Amount: 20_000, User: "Anna"})
	require.NoError(t, err)
	sellCups(t, till, 10, "Bar")
	sellCups(t, till, 5, "ECKarte")
	x, err := till.Interim(t.Context())
	require.NoError(t, err)
	require.Equal(t, "K1 X", x.Text)
	require.Equal(t, receipt.Amount(23_400), x.Report.Cash.Expected)
	require.EqualValues(t, 3, x.Report.To)
	require.Contains(t, warned(x), node.WarnUncounted)

	count := node.NewClosing{User: "Anna", Pieces: []receipt.ZPiece{{Value: 5000, Count: 4}, {Value: 1000, Count: 3}, {Value: 200, Count: 1}, {Value: 50, Count: 2}},
		Float: amountOf(20_000), CountedAfter: &x.Report.To}
	_, err = till.CloseTill(t.Context(), count)
	require.Equal(t, node.CodeDifference, code(t, err), "somebody has to say why")
	count.Why = "Wechselgeldfehler"
	z, err := till.CloseTill(requestOf(t.Context(), "z1"), count)
	require.NoError(t, err)
	require.Equal(t, "K1 Z 1", z.Text)
	r := z.Report
	require.Equal(t, []int64{1, 5}, []int64{r.From, r.To}, "with the difference and what went to the bank")
	require.Equal(t, []receipt.Amount{23_400, -100, 3_300}, []receipt.Amount{r.Cash.Expected, r.Cash.Difference, r.Cash.Dropped})
	require.Equal(t, receipt.Amount(20_000+3_400+1_700-100-3_300), r.Sums.Gross)
	require.Empty(t, warned(z))
	require.Len(t, r.Cash.Pieces, 4)

	again, err := till.CloseTill(requestOf(t.Context(), "z1"), count)
	require.NoError(t, err)
	require.Equal(t, z.ID, again.ID, "the same request makes no other closing")
	float, err := till.Receipt(t.Context(), "K1-000006")
	require.NoError(t, err)
	require.Equal(t, receipt.CaseFloat, float.Parsed.Lines[0].Case)
	require.Equal(t, receipt.Amount(20_000), float.Parsed.Totals.Gross)

	sellCups(t, till, 1, "Bar")
	x, err = till.Interim(t.Context())
	require.NoError(t, err)
	require.Equal(t, receipt.Amount(20_340), x.Report.Cash.Expected, "the float and the coffee")
	require.EqualValues(t, 6, x.Report.From)
	second, err := till.CloseTill(t.Context(), node.NewClosing{Counted: amountOf(20_340)})
	require.NoError(t, err)
	require.Equal(t, z.Hash, second.Report.Previous)
	require.Equal(t, []int64{6, 7}, []int64{second.Report.From, second.Report.To})
	require.Equal(t, receipt.Amount(0), second.Report.Cash.Difference)
	empty, err := till.CloseTill(t.Context(), node.NewClosing{Drop: amountOf(0)})
	require.NoError(t, err, "a period with nothing but the float")
	require.Equal(t, receipt.Amount(20_340), empty.Report.Cash.Expected)

	list, next, err := till.Closings(t.Context(), node.ClosingFilter{}, "", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"K1 Z 3", "K1 Z 2"}, []string{list[0].Text, list[1].Text})
	list, next, err = till.Closings(t.Context(), node.ClosingFilter{}, next, 2)
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, list, 1)
	require.Equal(t, z.Item.Document, list[0].Item.Document)
	for _, ref := range []string{z.ID.String(), "K1 Z 1", "K1-Z-1"} {
		one, err := till.Closing(t.Context(), ref)
		require.NoError(t, err)
		require.True(t, one.Verified)
		require.Equal(t, z.Report.Sums, one.Report.Sums)
	}
	for _, ref := range []string{"K1 Z 9", "K7 Z 1", "K1 Z", "K1 Z 0", "K1 X 1", ""} {
		_, err := till.Closing(t.Context(), ref)
		require.ErrorIs(t, err, node.ErrNotFound, ref)
	}
	till.stop()
	restarted := run(t, till.data)
	third, err := restarted.CloseTill(t.Context(), node.NewClosing{})
	require.NoError(t, err)
	require.Equal(t, "K1 Z 4", third.Text)
	require.Equal(t, empty.Hash, third.Report.Previous)
}

func TestClosingRefuses(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	sellCups(t, till, 10, "Bar")
	zero := int64(0)
	for name, c := range map[string]struct {
		n    node.NewClosing
		code string
	}{
		"coins that are named twice":   {node.NewClosing{Pieces: []receipt.ZPiece{{Value: 100, Count: 1}, {Value: 100, Count: 1}}}, node.CodeAmount},
		"coins and another sum":        {node.NewClosing{Pieces: []receipt.ZPiece{{Value: 100, Count: 1}}, Counted: amountOf(99)}, node.CodeAmount},
		"less than nothing":            {node.NewClosing{Counted: amountOf(-1)}, node.CodeAmount},
		"a difference without reason":  {node.NewClosing{Counted: amountOf(3_000)}, node.CodeDifference},
		"sold since the count":         {node.NewClosing{Counted: amountOf(3_400), CountedAfter: &zero}, node.CodeSoldSince},
		"more than is there":           {node.NewClosing{Drop: amountOf(3_401)}, node.CodeDrawer},
		"a float that is not there":    {node.NewClosing{Float: amountOf(3_401)}, node.CodeDrawer},
		"a drop and float that differ": {node.NewClosing{Drop: amountOf(3_000), Float: amountOf(300)}, node.CodeDrawer},
		"a series of nobody":           {node.NewClosing{Series: "K9"}, node.CodeNoClosing},
		"a tab of nobody":              {node.NewClosing{Tabs: []node.ClosingTab{{ID: coffeeID, What: receipt.TabKept}}}, node.CodeNoTab},
		"a tab that was not settled":   {node.NewClosing{Tabs: []node.ClosingTab{{ID: coffeeID, What: receipt.TabSettled}}}, node.CodeOpenTabs},
	} {
		_, err := till.CloseTill(t.Context(), c.n)
		require.Equal(t, c.code, code(t, err), name)
	}
	status, err := till.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, "K1-000002", status.NextNumber, "nothing was booked")
	list, _, err := till.Closings(t.Context(), node.ClosingFilter{}, "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

// TestOpenTabsAtAClosing: nobody forgets one; it is kept, handed over or settled, and the closing says so.
func TestOpenTabsAtAClosing(t *testing.T) {
	tills := shopOf(t, 2)
	a, b := tills[0], tills[1]
	stock(t, a)
	open := func(name string) node.TabView {
		tab, err := a.OpenTab(t.Context(), node.NewTab{Name: name, Shared: true})
		require.NoError(t, err)
		_, v, err := a.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
		require.NoError(t, err)
		return v
	}
	kept, handed, settled := open("Tisch 1"), open("Tisch 2"), open("Tisch 3")
	waitEqual(t, tills...)
	_, err := a.CloseTill(t.Context(), node.NewClosing{})
	require.Equal(t, node.CodeOpenTabs, code(t, err))
	require.ErrorContains(t, err, "Tisch 1 (340), Tisch 2 (340), Tisch 3 (340)")
	_, err = a.CloseTab(t.Context(), settled.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	_, self, _ := b.Self()
	z, err := a.CloseTill(t.Context(), node.NewClosing{User: "Anna", Tabs: []node.ClosingTab{{ID: kept.ID, What: receipt.TabKept},
		{ID: handed.ID, What: receipt.TabHanded, To: self}, {ID: settled.ID, What: receipt.TabSettled}}})
	require.NoError(t, err)
	require.Equal(t, []receipt.ZTab{{ID: kept.ID, Name: "Tisch 1", Gross: 340, Lines: 1, What: receipt.TabKept},
		{ID: handed.ID, Name: "Tisch 2", Gross: 340, Lines: 1, What: receipt.TabHanded, To: self},
		{ID: settled.ID, Gross: 340, Lines: 1, What: receipt.TabSettled}}, z.Report.Open)
	require.Eventually(t, func() bool {
		v, err := b.Tab(t.Context(), handed.ID)
		return err == nil && v.Holder.Till == self
	}, patience, 5*time.Millisecond)
	last, err := a.CloseTill(t.Context(), node.NewClosing{KeepTabs: true})
	require.NoError(t, err)
	require.Len(t, last.Report.Open, 1, "of the tabs that are handed over there is nothing more to say here")
}

// TestSellersWhileAClosingIsMade: whoever sells meanwhile waits for a moment, and every receipt is in one closing.
func TestSellersWhileAClosingIsMade(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	var sellers sync.WaitGroup
	for range 8 {
		sellers.Go(func() {
			for range 10 {
				sellCups(t, till, 1, "Bar")
			}
		})
	}
	var made []node.Closing
	for range 5 {
		z, err := till.CloseTill(t.Context(), node.NewClosing{KeepTabs: true, Counted: amountOf(100_000), Why: "Probe", Float: amountOf(100_000)})
		require.NoError(t, err)
		made = append(made, z)
	}
	sellers.Wait()
	z, err := till.CloseTill(t.Context(), node.NewClosing{})
	require.NoError(t, err)
	made = append(made, z)
	var next int64 = 1
	var coffees int64
	for _, z := range made {
		require.Equal(t, next, z.Report.From)
		next = z.Report.To + 1
		require.NoError(t, z.Report.Check())
		coffees += coffeesIn(t, till, z.Report)
	}
	require.EqualValues(t, 80, coffees)
}

// coffeesIn checks the sums of a closing against its receipts, and returns how many of them sold coffee.
func coffeesIn(t *testing.T, till *running, z receipt.ZReport) (n int64) {
	sums := receipt.NewZSums("EUR")
	for number := z.From; number <= z.To; number++ {
		r, err := till.Receipt(t.Context(), receipt.NumberText(z.Series, number))
		require.NoError(t, err)
		require.NoError(t, sums.Add(&r.Parsed, r.Hash))
		if r.Parsed.Lines[0].Case == receipt.SaleCase {
			n++
		}
	}
	require.Equal(t, sums.Hash(), z.Hash)
	require.Equal(t, sums.Totals().Gross, z.Sums.Gross)
	return n
}

// TestWholeShopCloses: each till that can be reached makes its own, the others are named; asked again they answer with what
// they made.
func TestWholeShopCloses(t *testing.T) {
	tills := shopOf(t, 3)
	stock(t, tills[0])
	waitEqual(t, tills...)
	for i, by := range tills {
		sellCups(t, by, i+1, "Bar")
	}
	waitEqual(t, tills...)
	day, err := tills[0].ShopDay(t.Context(), "")
	require.NoError(t, err)
	require.False(t, day.Complete)
	require.Len(t, day.Missing, 3)
	require.Equal(t, node.MissingOpen, day.Missing[0].Why)
	tills[2].stop()
	require.Eventually(t, func() bool { return len(linkedTo(tills[0])) == 1 }, patience, 5*time.Millisecond)

	var first node.ShopClosing
	for i := range 2 {
		made, err := tills[0].CloseShop(requestOf(t.Context(), "evening"), node.NewClosing{User: "Anna"})
		require.NoError(t, err)
		if i == 0 {
			first = made
		}
		require.Equal(t, first.Own.ID, made.Own.ID)
		require.Equal(t, first.Tills, made.Tills)
	}
	require.Equal(t, "K1 Z 1", first.Own.Text)
	states := make(map[string]string)
	for _, one := range first.Tills {
		states[one.State] = one.Closing
	}
	require.Equal(t, map[string]string{node.ShopMade: "K2 Z 1", node.ShopUnreachable: ""}, states)
	waitSame(t, func() string {
		day, err = tills[0].ShopDay(t.Context(), "")
		require.NoError(t, err)
		return fmt.Sprint(day.Revision, len(day.Missing), day.Sums.Gross)
	}, "2 1 1020")
	require.Equal(t, node.MissingOpen, day.Missing[0].Why, "its receipt is here, its closing is not")

	back := run(t, tills[2].data, tills[0].LinkAddr().String(), tills[1].LinkAddr().String())
	z, err := back.CloseTill(t.Context(), node.NewClosing{})
	require.NoError(t, err)
	require.Equal(t, "K3 Z 1", z.Text)
	for _, by := range []*running{tills[0], tills[1], back} {
		waitSame(t, func() string {
			day, err := by.ShopDay(t.Context(), "")
			require.NoError(t, err)
			return fmt.Sprint(day.Revision, day.Complete, day.Sums.Gross, day.Sums.Receipts)
		}, "3 true 2040 3")
	}
	// One more closing of a day that was shown complete is a revision, and is told.
	last := tills[0].Events().Last()
	_, err = back.CloseTill(t.Context(), node.NewClosing{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for told := false; !told; {
		list, _, ok := tills[0].Events().After(ctx, last)
		require.True(t, ok, "nobody was told that the day was revised")
		for _, e := range list {
			last = e.ID
			told = told || e.What == "day" && e.Change == "revised" && e.Number == "4"
		}
	}
}

func linkedTo(r *running) (names []string) {
	for _, p := range r.Mesh().Tills {
		if p.Linked {
			names = append(names, p.Name)
		}
	}
	return names
}

func waitSame(t *testing.T, is func() string, want string) {
	t.Helper()
	last := ""
	require.Eventually(t, func() bool { last = is(); return last == want }, patience, 10*time.Millisecond, "it is %s", &last)
}

// TestAFormerSeriesIsClosedToo: what a lost lineage sold gets a closing of its own chain, and its cash goes on in the drawer.
func TestAFormerSeriesIsClosedToo(t *testing.T) {
	data := found(t)
	till := run(t, data)
	stock(t, till)
	sellCups(t, till, 2, "Bar")
	till.stop()
	require.NoError(t, os.Remove(filepath.Join(data, "highwater")))
	till = run(t, data)
	sellCups(t, till, 1, "Bar")
	z, err := till.CloseTill(t.Context(), node.NewClosing{})
	require.NoError(t, err)
	require.Equal(t, "K1b Z 1", z.Text)
	require.Equal(t, []int64{0, 1}, []int64{z.Report.From, z.Report.To}, "with the document that opens the series")
	require.Contains(t, warned(z), node.WarnFormer)
	former, err := till.CloseTill(t.Context(), node.NewClosing{Series: "K1"})
	require.NoError(t, err)
	require.Equal(t, "K1 Z 1", former.Text)
	require.Equal(t, []int64{1, 1}, []int64{former.Report.From, former.Report.To})
	x, err := till.Interim(t.Context())
	require.NoError(t, err)
	require.Equal(t, receipt.Amount(340+680), x.Report.Cash.Expected, "of both series")
	require.NotContains(t, warned(x), node.WarnFormer)
	_, err = till.CloseTill(t.Context(), node.NewClosing{Series: "K1"})
	require.Equal(t, node.CodeNoClosing, code(t, err))
	_, err = till.CloseTill(t.Context(), node.NewClosing{Series: "K1", Counted: amountOf(0)})
	require.Equal(t, node.CodeDrawer, code(t, err))
}
