package nodetest_test

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestOneShop is the main job: what one till writes the others have, a tab is worked on everywhere at once, and it is
// finished elsewhere under that till's own number when the till that opened it is gone.
func TestOneShop(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, three := shop.Tills[0], shop.Tills[1], shop.Tills[2]

	tax := one.PutTax(1900)
	coffee := one.PutArticle("Kaffee", 290, tax)
	for _, till := range shop.Tills {
		require.Equal(t, "Kaffee", till.Await(coffee).Names["de"])
	}
	cake := three.PutArticle("Käsekuchen", 420, tax)
	one.Await(cake)
	two.Await(cake)

	const each = 10
	tab := one.OpenTab("Tisch 7")
	two.AwaitTab(tab.ID, 0)
	three.AwaitTab(tab.ID, 0)
	var adding sync.WaitGroup
	failed := make([]error, 2)
	for i, add := range []struct {
		till    *nodetest.Till
		article string
	}{{two, coffee}, {three, cake}} {
		api := add.till.API()
		adding.Go(func() {
			for range each {
				_, err := api.AddLine(t.Context(), tab.ID, client.NewLine{Article: add.article})
				failed[i] = errors.Join(failed[i], err)
			}
		})
	}
	adding.Wait()
	require.NoError(t, errors.Join(failed...))
	for _, till := range shop.Tills {
		got := till.AwaitTab(tab.ID, 2*each)
		require.EqualValues(t, each*(290+420), got.Totals.Gross, "at %s", till.Name)
		require.Equal(t, one.ID(), got.OpenedBy.Till)
	}

	one.Kill()
	receipt := three.Finish(tab.ID)
	status, err := three.API().Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, status.Till.Prefix+"-000001", receipt.Number, "the number is of the till that closed")
	require.Equal(t, status.Till.Prefix+"-000002", status.NextNumber)

	one.Start()
	shop.Equal()
	for _, till := range shop.Tills {
		copied, err := till.API().Receipt(t.Context(), receipt.Number)
		require.NoError(t, err, "at %s", till.Name)
		require.Equal(t, receipt.Canonical, copied.Canonical, "at %s", till.Name)
		require.True(t, copied.Verified, "at %s", till.Name)
		closed, err := till.API().Tab(t.Context(), tab.ID)
		require.NoError(t, err)
		require.Equal(t, "closed", closed.State, "at %s", till.Name)
		require.Equal(t, receipt.Number, closed.Receipt, "at %s", till.Name)
	}
	own := one.Sell(coffee)
	require.NotEqual(t, receipt.Number, own.Number)
	shop.Equal()
}

// TestTillsRejoinByThemselves: after a stop or a crash, and without being told any address, tills find the others with
// what they remember, whoever comes back first.
func TestTillsRejoinByThemselves(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	coffee := shop.Tills[0].PutArticle("Kaffee", 290, shop.Tills[0].PutTax(1900))
	shop.Equal()
	for _, till := range shop.Tills {
		till.Forgetful = true
	}
	for round, end := range []func(*nodetest.Till){(*nodetest.Till).Stop, (*nodetest.Till).Kill} {
		for i, till := range shop.Tills {
			end(till)
			shop.Tills[(i+1)%3].Sell(coffee)
			till.Start()
		}
		t.Logf("round %d: equal after %v", round, shop.EqualWithin(nodetest.Patience))
	}
	const cuts = 5
	for range cuts { // of the power in the whole street
		for _, till := range shop.Tills {
			till.Kill()
		}
		for _, till := range shop.Tills {
			till.Start()
			till.Sell(coffee)
		}
		t.Logf("after a power cut: equal after %v", shop.EqualWithin(nodetest.Patience))
	}
	receipts, err := shop.Tills[2].API().AllReceipts(t.Context(), client.List{})
	require.NoError(t, err)
	require.Len(t, receipts, 6+3*cuts)
}

// TestRepeatedRequest: a client that lost an answer repeats the request, also after a crash of the till, and it acts once.
func TestRepeatedRequest(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.Found()
	coffee := till.PutArticle("Kaffee", 290, till.PutTax(1900))
	tab := till.OpenTab("")
	lines := "/api/v1/tabs/" + tab.ID + "/lines"
	line := map[string]any{"article": coffee, "quantity": 2000}
	key := []string{"Idempotency-Key", "a key of the caller: 1"}

	first := till.Must(http.MethodPost, lines, line, nil, key...)
	require.Equal(t, http.StatusCreated, first.Status)
	require.Empty(t, first.Header.Get("Idempotency-Replayed"))
	again := func(when string) {
		t.Helper()
		a := till.Must(http.MethodPost, lines, line, nil, key...)
		require.Equal(t, "true", a.Header.Get("Idempotency-Replayed"), when)
		require.Equal(t, first.Status, a.Status, when)
		require.JSONEq(t, string(first.Body), string(a.Body), when)
		till.AwaitTab(tab.ID, 1)
	}
	again("at once")
	till.Restart()
	again("after a restart")
	till.Kill()
	till.Start()
	again("after a crash")

	other := till.Call(http.MethodPost, lines, map[string]any{"article": coffee}, key...)
	require.Equal(t, http.StatusUnprocessableEntity, other.Status)
	require.Equal(t, "idempotency-key-reused", other.Problem().Code)

	// The refusal is repeated as well, and a closed tab is closed once.
	closing := "/api/v1/tabs/" + tab.ID + "/close"
	pay := client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 580}}}
	var receipt, same client.Receipt
	till.Must(http.MethodPost, closing, pay, &receipt, "Idempotency-Key", "close")
	till.Restart()
	replay := till.Must(http.MethodPost, closing, pay, &same, "Idempotency-Key", "close")
	require.Equal(t, "true", replay.Header.Get("Idempotency-Replayed"))
	require.Equal(t, receipt.Number, same.Number)
	require.Equal(t, receipt.Canonical, same.Canonical)
	// A crash in the moment in which the answer went out may take the kept answer along, but not what was done.
	next := till.OpenTab("")
	till.Add(next.ID, coffee)
	closing = "/api/v1/tabs/" + next.ID + "/close"
	pay.Payments[0].Amount = 290
	till.Must(http.MethodPost, closing, pay, &receipt, "Idempotency-Key", "close again")
	till.Kill()
	till.Start()
	if a := till.Call(http.MethodPost, closing, pay, "Idempotency-Key", "close again"); a.Status == http.StatusConflict {
		require.Equal(t, "tab-closed", a.Problem().Code)
		require.Contains(t, string(a.Body), receipt.Number)
	} else {
		require.NoError(t, a.OK())
		require.Equal(t, "true", a.Header.Get("Idempotency-Replayed"))
	}
	status, err := till.API().Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, status.Store.Receipts)
}

// TestNumbersHaveNoGaps: a till that is killed while it closes never gives a number twice and leaves none out.
func TestNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	till, other := shop.Tills[0], shop.Tills[1]
	coffee := till.PutArticle("Kaffee", 290, till.PutTax(1900))
	other.Await(coffee)
	for range 3 {
		var sold atomic.Int64
		var selling sync.WaitGroup
		api := till.API()
		for range 4 {
			selling.Go(func() {
				for {
					tab, err := api.OpenTab(t.Context(), client.NewTab{})
					if err == nil {
						_, err = api.AddLine(t.Context(), tab.ID, client.NewLine{Article: coffee})
					}
					if err == nil {
						_, err = api.CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 290}}})
					}
					if err != nil { // the till is gone
						return
					}
					sold.Add(1)
				}
			})
		}
		nodetest.Eventually(t, nodetest.Patience, "it sells", func() error {
			if sold.Load() < 20 {
				return errNotYet
			}
			return nil
		})
		till.Kill()
		selling.Wait()
		till.Start()
	}
	last := till.Sell(coffee)
	shop.Equal()
	for _, at := range shop.Tills {
		receipts, err := at.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Equal(t, last.Number, receipts[0].Number, "at %s", at.Name)
		requireNumbers(t, receipts)
	}
}

// requireNumbers checks that the numbers of each series are 1, 2, 3, … without gap or repetition.
func requireNumbers(t *testing.T, receipts []client.ReceiptEntry) {
	t.Helper()
	seen := make(map[string]map[int64]bool)
	for _, r := range receipts {
		if seen[r.Series] == nil {
			seen[r.Series] = make(map[int64]bool)
		}
		require.False(t, seen[r.Series][r.N], "number %s is there twice", r.Number)
		seen[r.Series][r.N] = true
	}
	for series, numbers := range seen {
		for n := range len(numbers) {
			require.True(t, numbers[int64(n+1)], "number %s of %s is missing", strconv.Itoa(n+1), series)
		}
	}
}
