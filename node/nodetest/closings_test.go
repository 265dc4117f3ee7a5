package nodetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestLateReceiptsAfterAClosing is scenario 3 with real processes: K3 sells while the others are away, the shop closes the
// day without it, and it comes back. No closing changes, the day is revised with a number and a notice, and every receipt
// is in one closing. A kill in the middle of a closing changes nothing about that.
func TestLateReceiptsAfterAClosing(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, late := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	coffee := one.PutArticle("Kaffee", 300, one.PutTax(1900))
	for _, till := range shop.Tills {
		till.Await(coffee)
		till.Sell(coffee)
	}
	shop.Equal()
	noon, err := late.API().MakeClosing(t.Context(), client.NewClosing{Kind: "z"})
	require.NoError(t, err)
	require.Equal(t, "K3 Z 1", noon.Name)
	shop.Equal()

	one.Stop()
	two.Stop()
	for range 12 {
		late.Sell(coffee)
	}
	late.Stop()
	one.Start()
	two.Start()
	shop.Agree(one, two)
	one.Sell(coffee)
	nodetest.Eventually(t, nodetest.Patience, "the tills are linked", func() error { return linked(t, one, 1) })

	out := one.Exec("closings", "z", "--shop", "--user", "Anna", "--counted", "5.50", "--data", one.Data, "--http", one.URL())
	require.Equal(t, 1, out.Code)
	require.Contains(t, out.Stderr, "the difference is -50")
	out = one.Exec("closings", "z", "--shop", "--user", "Anna", "--piece", "5:1", "--piece", "0.50:1", "--difference-reason", "Trinkgeld", "--float", "5.00",
		"--data", one.Data, "--http", one.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "K1 Z 1 of "+one.Name)
	require.Contains(t, out.Stdout, two.Name+": K2 Z 1\n")
	require.Contains(t, out.Stdout, late.Name+": none, "+late.Name+" cannot be reached")
	before := make(map[string]client.Closing)
	nodetest.Eventually(t, nodetest.Patience, "the day is complete on K1", func() error { return dayIs(t, one, "complete", 3) })
	for _, name := range []string{"K1-Z-1", "K2-Z-1", "K3-Z-1"} {
		before[name], err = one.API().Closing(t.Context(), name)
		require.NoError(t, err)
	}

	revised := make(chan string, 16)
	following, stop := context.WithCancel(t.Context())
	opened, followed := make(chan struct{}, 16), make(chan error, 1)
	go func() {
		followed <- one.API().Follow(following, "", func() { opened <- struct{}{} }, func(e client.Event) error {
			if e.Kind == "day" {
				revised <- string(e.Data)
			}
			return nil
		})
	}()
	<-opened
	late.Start()
	shop.Equal()
	out = late.Exec("closings", "x", "--data", late.Data, "--http", late.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "K3-000002 to 000014")
	require.NoError(t, dayIs(t, one, "provisional", 3))
	made := killedClosing(t, late)
	require.Equal(t, "K3 Z 2", made.Name)
	shop.Equal()
	for _, till := range shop.Tills {
		nodetest.Eventually(t, nodetest.Patience, "the day is complete on "+till.Name, func() error { return dayIs(t, till, "complete", 4) })
		for name, was := range before {
			is, err := till.API().Closing(t.Context(), name)
			require.NoError(t, err)
			require.Equal(t, was.Canonical, is.Canonical, "%s on %s", name, till.Name)
			require.True(t, is.Verified)
		}
		everyReceiptOnce(t, till)
	}
	var told struct {
		Change string `json:"change"`
		Number string `json:"number"`
	}
	require.NoError(t, json.Unmarshal([]byte(<-revised), &told))
	require.Equal(t, "revised", told.Change)
	require.Equal(t, "4", told.Number)
	stop()
	require.NoError(t, <-followed)
	out = two.Exec("closings", "day", "--data", two.Data, "--http", two.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "complete, 4 closings")
	out = two.Exec("closings", "--data", two.Data, "--http", two.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "K3 Z 2")
}

// killedClosing asks a till for a closing, kills it at once, and asks again with the same key when it runs again.
func killedClosing(t *testing.T, till *nodetest.Till) client.Closing {
	t.Helper()
	counted, float := int64(4000), int64(1000)
	n := client.NewClosing{Kind: "z", Counted: &counted, DifferenceReason: "Probe", Float: &float}
	asked := make(chan struct{})
	go func() {
		_, _ = till.API().MakeClosing(t.Context(), n, client.WithKey("evening")) // it dies meanwhile, or just afterwards
		close(asked)
	}()
	till.Kill()
	<-asked
	till.Start()
	z, err := till.API().MakeClosing(t.Context(), n, client.WithKey("evening"))
	require.NoError(t, err)
	require.EqualValues(t, 4000-39*100, z.CashDifference)
	cash, err := till.API().Cash(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1000, cash.Expected, "the float, once")
	return z
}

func linked(t *testing.T, till *nodetest.Till, n int) error {
	mesh, err := till.API().Mesh(t.Context())
	if err != nil {
		return err
	}
	for _, other := range mesh.Tills {
		if other.Linked {
			n--
		}
	}
	if n > 0 {
		return fmt.Errorf("%d links are missing", n)
	}
	return nil
}

func dayIs(t *testing.T, till *nodetest.Till, state string, revision int) error {
	day, err := till.API().ShopDay(t.Context(), "today")
	if err == nil && (day.State != state || day.Revision != revision) {
		err = fmt.Errorf("%s shows it %s with %d closings, missing %+v", till.Name, day.State, day.Revision, day.Missing)
	}
	return err
}

// everyReceiptOnce checks that each receipt a till holds is in one closing, but for floats of the next period.
func everyReceiptOnce(t *testing.T, till *nodetest.Till) {
	t.Helper()
	closings, err := till.API().Closings(t.Context(), client.List{Limit: 100}, "", "")
	require.NoError(t, err)
	receipts, err := till.API().Receipts(t.Context(), client.List{Limit: 1000})
	require.NoError(t, err)
	open := 0
	for _, r := range receipts.Items {
		in := 0
		for _, z := range closings.Items {
			if z.Series == r.Series && int64(r.N) >= z.From && int64(r.N) <= z.To {
				in++
			}
		}
		require.LessOrEqual(t, in, 1, r.Number)
		if in == 0 {
			open++
		}
	}
	require.Equal(t, 3, open, "the floats of three tills")
}
