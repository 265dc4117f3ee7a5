package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// sell closes a tab with one coffee.
func sell(t *testing.T, by *running) node.Receipt {
	t.Helper()
	tab, err := by.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = by.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	r, err := by.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	return r
}

func euro(amount receipt.Amount) []node.Sum { return []node.Sum{{Currency: "EUR", Amount: amount}} }

// What only one till holds is told in receipts and money, is found again after a restart, and is gone when another till
// holds it.
func TestRiskGrowsAloneAndGoesWhenLinked(t *testing.T) {
	tills := shopOf(t, 2)
	one, two := tills[0], tills[1]
	stock(t, one)
	sell(t, one)
	waitEqual(t, one, two)
	require.Eventually(t, func() bool { return one.OwnRisk().None() }, patience, time.Millisecond, "two holds it all")
	two.stop()
	require.Eventually(t, func() bool { s, err := one.Status(t.Context()); return err == nil && !s.Peers[0].Linked }, patience, time.Millisecond)

	sell(t, one)
	last := sell(t, one)
	require.Empty(t, last.Copies)
	require.Equal(t, node.Released, last.Release.State, "there is no rule")
	tab, err := one.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	_, _, err = one.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 2000}})
	require.NoError(t, err)
	want := node.Risk{Receipts: 2, Sums: euro(680), Tabs: 1, TabSums: euro(680)}
	got := one.OwnRisk()
	require.WithinDuration(t, time.Now(), got.Oldest, time.Minute)
	got.Oldest = time.Time{}
	require.Equal(t, want, got)

	one.stop()
	one = run(t, one.data, two.LinkAddr().String())
	got = one.OwnRisk()
	require.False(t, got.Oldest.IsZero())
	got.Oldest = time.Time{}
	require.LessOrEqual(t, 2, got.Receipts, "at least what is so: marks follow late")
	require.LessOrEqual(t, got.Receipts, 3)
	require.Equal(t, 1, got.Tabs)
	require.Equal(t, euro(680), got.TabSums)

	two = run(t, two.data, one.LinkAddr().String())
	waitEqual(t, one, two)
	require.Eventually(t, func() bool { return one.OwnRisk().None() && two.OwnRisk().None() }, patience, time.Millisecond)
	list := one.Risks(t.Context(), true)
	require.Len(t, list, 2)
	require.True(t, list[0].Self)
	require.NotNil(t, list[1].Risk, "two was asked")
	require.True(t, list[1].Risk.None())

	// A line of a tab that the other till knows already: only that line is at risk.
	two.stop()
	_, _, err = one.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	require.Equal(t, euro(340), one.OwnRisk().TabSums)
	list = one.Risks(t.Context(), true)
	require.True(t, list[1].Risk.None(), "what it said last stays")

	// Whoever left the shop brings nothing back.
	_, err = one.Retire(t.Context(), "K2", "")
	require.NoError(t, err)
	one.UpdateCopies(t.Context())
	got = one.OwnRisk()
	require.Equal(t, 3, got.Receipts)
	require.Equal(t, euro(1020), got.Sums)
	r, err := one.Receipt(t.Context(), last.Number)
	require.NoError(t, err)
	require.Empty(t, r.Copies)
}

// The rule of the shop: a receipt waits until it is on two tills; after the time of the rule a person may let it go, which all
// tills know.
func TestARuleForPrinting(t *testing.T) {
	tills := shopOf(t, 2)
	one, two := tills[0], tills[1]
	stock(t, one)
	_, err := one.EditSettings(t.Context(), shop.SettingsEdit{Print: &shop.PrintRule{Copies: 2, Seconds: 1}})
	require.NoError(t, err)
	waitEqual(t, one, two)
	last := one.Events().Last()
	r := sell(t, one)
	require.Equal(t, 2, max(r.Release.Wanted, 2))
	awaitRelease(t, one, last, r, node.Released)
	now, err := one.Receipt(t.Context(), r.Number)
	require.NoError(t, err)
	require.Equal(t, node.Released, now.Release.State)
	require.Len(t, now.Copies, 1)
	there, err := two.Receipt(t.Context(), r.Number)
	require.NoError(t, err)
	require.Nil(t, there.Release, "the till that closed it decides")

	two.stop()
	last = one.Events().Last()
	r = sell(t, one)
	require.Equal(t, node.Waiting, r.Release.State)
	require.Equal(t, 1, r.Release.Copies)
	require.Equal(t, 2, r.Release.Wanted)
	_, err = one.OverrideRelease(t.Context(), r.Number, "Anna", "")
	require.Equal(t, node.CodeTooEarly, code(t, err))
	awaitRelease(t, one, last, r, node.Waiting) // the time is over
	_, err = one.OverrideRelease(t.Context(), r.Number, " ", "")
	require.Equal(t, node.CodeNoUser, code(t, err))

	one.stop()
	one = run(t, one.data, two.LinkAddr().String())
	again, err := one.Receipt(t.Context(), r.Number)
	require.NoError(t, err)
	require.Equal(t, node.Waiting, again.Release.State, "also after a restart")
	require.True(t, again.Release.May)
	list, _, err := one.Receipts(t.Context(), node.ReceiptFilter{}, "", 10)
	require.NoError(t, err)
	require.True(t, list[0].Waiting)
	require.False(t, list[1].Waiting, "that one was released before")
	done, err := one.OverrideRelease(t.Context(), r.Number, "Anna", "guest waits")
	require.NoError(t, err)
	require.Equal(t, node.Overridden, done.Release.State)

	two = run(t, two.data, one.LinkAddr().String())
	waitEqual(t, one, two)
	for _, by := range []*running{one, two} {
		r, err := by.Receipt(t.Context(), r.Number)
		require.NoError(t, err)
		require.Equal(t, node.Overridden, r.Release.State)
		require.Equal(t, "Anna", r.Release.By.User)
		require.Equal(t, "guest waits", r.Release.By.Reason)
		require.EqualValues(t, 1, r.Release.By.Copies)
		require.EqualValues(t, 2, r.Release.By.Wanted)
	}
	_, err = two.OverrideRelease(t.Context(), r.Number, "Ben", "")
	require.Equal(t, node.CodeElsewhere, code(t, err))
	same, err := one.OverrideRelease(t.Context(), r.Number, "Ben", "")
	require.NoError(t, err)
	require.Equal(t, "Anna", same.Release.By.User, "it is recorded once")
}

// awaitRelease waits for the event that says whether a receipt may be printed.
func awaitRelease(t *testing.T, by *running, after uint64, r node.Receipt, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen []string
	for {
		list, known, ok := by.Events().After(ctx, after)
		require.True(t, known && ok, "no event %s: %v", want, seen)
		for _, e := range list {
			after = e.ID
			seen = append(seen, fmt.Sprint(e.What, e.Change, e.Release))
			if e.What == "receipt" && e.Object == r.ID.String() && e.Change == node.ChangeRelease && e.Release == want {
				return
			}
		}
	}
}
