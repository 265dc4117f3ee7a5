package nodetest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestATabSettledTwiceIsDecided is scenario 1 to its end with real processes: two tills that cannot reach each other settle a tab,
// every till shows one case with the drafted cancellation, a third one accepts it, and exactly what one guest paid is left.
func TestATabSettledTwiceIsDecided(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, three := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	tax := one.PutTax(1900)
	schnitzel, water := one.PutArticle("Schnitzel", 820, tax), one.PutArticle("Wasser", 250, tax)
	tab := one.OpenTab("Tisch 7")
	for range 3 {
		one.Add(tab.ID, schnitzel)
	}
	shop.Equal()

	two.Stop()
	three.Stop()
	var cash client.Receipt
	one.Must(http.MethodPost, "/api/v1/tabs/"+tab.ID+"/close", map[string]any{"payments": []any{map[string]any{"type": "Bar", "amount": 2460}}}, &cash)
	one.Stop()
	two.Start()
	three.Start()
	two.Add(tab.ID, water)
	var card client.Receipt
	two.Must(http.MethodPost, "/api/v1/tabs/"+tab.ID+"/close", map[string]any{"payments": []any{map[string]any{"type": "ECKarte", "amount": 2710}}}, &card)
	one.Start()
	shop.Equal()

	var found client.Case
	for _, till := range shop.Tills {
		nodetest.Eventually(t, nodetest.Patience, "one case at "+till.Name, func() error {
			list, err := till.API().Cases(t.Context())
			if err == nil && len(list) != 1 {
				err = fmt.Errorf("%d cases", len(list))
			}
			if err == nil {
				found = list[0]
			}
			return err
		})
		require.Equal(t, "double-settlement", found.Kind)
		require.Equal(t, "open", found.State)
		require.Equal(t, card.Number, found.Receipts[0].Number, "more lines: it stays")
		require.Len(t, found.Drafts, 1)
		require.Equal(t, client.DraftedReceipt{Kind: "cancel", Of: client.CaseReceipt{ID: cash.ID, Number: cash.Number}, Lines: found.Drafts[0].Lines,
			Payments: []client.DraftedPayment{{Type: "Bar", Amount: -2460}}, Gross: -2460, Currency: "EUR"}, found.Drafts[0])
		require.Len(t, found.Drafts[0].Lines, 3)
	}

	var done, again client.ResolvedCase
	resolve := func(out *client.ResolvedCase) {
		three.Must(http.MethodPost, "/api/v1/cases/"+found.ID+"/resolve", client.Deciding{Decision: "accept", User: "Anna"}, out, "Idempotency-Key", "accept")
	}
	resolve(&done)
	require.Equal(t, "resolved", done.Case.State)
	require.Len(t, done.Receipts, 1)
	three.Restart()
	resolve(&again)
	require.Equal(t, done.Receipts[0].Canonical, again.Receipts[0].Canonical, "a repeated decision writes nothing")
	shop.Equal()
	for _, till := range shop.Tills {
		list, err := till.API().Cases(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1, "decided cases are listed for a while")
		require.Equal(t, "resolved", list[0].State)
		require.Equal(t, "cancelled", list[0].Decisions[0].Decision)
		require.Equal(t, done.Receipts[0].Number, list[0].Decisions[0].Written[0].Number)
		receipts, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		var sum int64
		for _, r := range receipts {
			sum += r.Gross
		}
		require.EqualValues(t, 2710, sum, "at %s", till.Name)
		_, err = till.API().ResolveCase(t.Context(), found.ID, client.Deciding{Decision: "keep", User: "Ben", Reason: "beide"})
		var p *client.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, "already-resolved", p.Code)
		_, err = till.API().CancelReceipt(t.Context(), cash.Number, client.Correction{})
		require.ErrorAs(t, err, &p)
		require.Equal(t, "already-refunded", p.Code)
	}
}
