package nodetest_test

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

var errNotYet = errors.New("not yet")

// TestBadInput: every wrong request gets an answer with a code, and nothing is lost or counted by it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.Found()
	tax := till.PutTax(1900)
	coffee := till.PutArticle("Kaffee", 290, tax)
	old := till.PutArticle("Muckefuck", 190, tax)
	till.Must(http.MethodDelete, "/api/v1/articles/"+old, nil, nil)
	future := nodetest.NewArticle(nodetest.NewID(), "Zukunftstee", 990, tax)
	future.Prices[0].From = "2199-01-01"
	require.NoError(t, till.API().PutArticle(t.Context(), future))

	closed := till.OpenTab("")
	till.Add(closed.ID, coffee)
	receipt := till.Finish(closed.ID)

	tab := till.OpenTab("Tisch 1")
	till.Add(tab.ID, coffee)
	lines, payments, closing := "/api/v1/tabs/"+tab.ID+"/lines", "/api/v1/tabs/"+tab.ID+"/payments", "/api/v1/tabs/"+tab.ID+"/close"
	type object = map[string]any
	const largest = 1<<53 - 1 // that every reader of JSON gets right
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		code         string
		header       []string
	}{
		"unknown article":       {"", lines, object{"article": nodetest.NewID()}, 404, "unknown-article", nil},
		"no ID":                 {"", lines, object{"article": "coffee"}, 422, "invalid", nil},
		"neither kind of line":  {"", lines, object{"quantity": 1000}, 422, "invalid", nil},
		"archived article":      {"", lines, object{"article": old}, 422, "article-archived", nil},
		"no price yet":          {"", lines, object{"article": future.ID}, 422, "no-price", nil},
		"unknown tab":           {"", "/api/v1/tabs/" + nodetest.NewID() + "/lines", object{"article": coffee}, 404, "unknown-tab", nil},
		"closed tab":            {"", "/api/v1/tabs/" + closed.ID + "/lines", object{"article": coffee}, 409, "tab-closed", nil},
		"quantity 0":            {"", lines, object{"article": coffee, "quantity": 0}, 422, "quantity", nil},
		"quantity overflows":    {"", lines, object{"article": coffee, "quantity": largest}, 422, "overflow", nil},
		"quantity underflows":   {"", lines, object{"article": coffee, "quantity": -largest}, 422, "overflow", nil},
		"price overflows":       {"", lines, object{"article": coffee, "quantity": 1_000_000, "unit_price": largest}, 422, "overflow", nil},
		"product overflows":     {"", lines, object{"article": coffee, "quantity": 1_000_000_000, "unit_price": 1_000_000_000}, 422, "overflow", nil},
		"no JSON integer":       {"", lines, object{"article": coffee, "quantity": math.MaxInt64}, 422, "invalid", nil},
		"quantity as text":      {"", lines, object{"article": coffee, "quantity": "1"}, 422, "invalid", nil},
		"quantity as fraction":  {"", lines, []byte(`{"article":"` + coffee + `","quantity":1.5}`), 422, "invalid", nil},
		"unknown field":         {"", lines, object{"article": coffee, "qty": 1}, 422, "invalid", nil},
		"payment 0":             {"", payments, object{"type": "Bar", "amount": 0}, 422, "amount", nil},
		"payment overflows":     {"", payments, object{"type": "Bar", "amount": largest}, 422, "overflow", nil},
		"payment type":          {"", payments, object{"type": "Muscheln", "amount": 290}, 422, "payment-type", nil},
		"not paid":              {"", closing, object{}, 422, "not-paid", nil},
		"paid too little":       {"", closing, object{"payments": []object{{"type": "Bar", "amount": 289}}}, 422, "not-paid", nil},
		"no JSON":               {"", lines, []byte(`{"article":`), 400, "malformed", nil},
		"no object":             {"", lines, []byte(`[]`), 422, "invalid", nil},
		"nested":                {"", lines, []byte(strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000)), 0, "", nil},
		"too large":             {"", lines, []byte(`{"article":"` + strings.Repeat("a", 1<<20) + `"}`), 413, "too-large", nil},
		"name too long":         {"PUT", "/api/v1/articles/" + nodetest.NewID(), nodetest.NewArticle("", strings.Repeat("ä", 201), 1, tax), 422, "invalid", nil},
		"article without a tax": {"PUT", "/api/v1/articles/" + nodetest.NewID(), nodetest.NewArticle("", "Tee", 1, nodetest.NewID()), 422, "invalid", nil},
		"wrong token":           {"GET", "/api/v1/status", nil, 401, "unauthorized", []string{"Authorization", "Bearer 00"}},
		"foreign host":          {"GET", "/api/v1/status", nil, 403, "foreign-origin", []string{"Host", "till.example"}},
		"foreign origin":        {"GET", "/api/v1/status", nil, 403, "foreign-origin", []string{"Origin", "http://till.example"}},
		"unknown path":          {"GET", "/api/v1/nowhere", nil, 404, "not-found", nil},
		"key too long":          {"", lines, object{"article": coffee}, 422, "idempotency-key", []string{"Idempotency-Key", strings.Repeat("k", 201)}},
	} {
		shop.Run(name, func(t *testing.T) {
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			a := till.Call(method, c.path, c.body, c.header...)
			p := a.Problem()
			require.NotEmpty(t, p.Code, "status %d: %s", a.Status, a.Body)
			require.Equal(t, a.Status, p.Status)
			require.NotEmpty(t, p.Detail)
			if c.code != "" {
				require.Equal(t, c.code, p.Code, "%s", a.Body)
				require.Equal(t, c.status, a.Status, "%s", a.Body)
			}
		})
	}
	require.Contains(t, string(till.Call(http.MethodPost, "/api/v1/tabs/"+closed.ID+"/lines", object{"article": coffee}).Body), receipt.Number,
		"a closed tab names its receipt")

	now := till.AwaitTab(tab.ID, 1)
	require.EqualValues(t, 290, now.Totals.Due)
	till.Finish(tab.ID)
	status, err := till.API().Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, status.Store.Receipts)
}

// TestBadRows: a batch takes what is right and names what is not.
func TestBadRows(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.Found()
	tax := till.PutTax(1900)
	good := func(name string) client.Article { return nodetest.NewArticle(nodetest.NewID(), name, 100, tax) }
	rows := []client.Article{
		good("Kaffee"), good("Tee"), good(""), good(" \t"), good(strings.Repeat("ö", 200)), good(strings.Repeat("ö", 201)),
		good("Code zu lang"), good("Code mit Leerzeichen"), good("ohne Steuer"), good("kein Datum"), good("zu teuer"), good("Glocke\a"),
		good("Kuchen"),
	}
	rows[6].Barcodes = []string{strings.Repeat("4", 49)}
	rows[7].Barcodes = []string{"4001 686"}
	rows[8].Prices[0].Tax = nodetest.NewID()
	rows[9].Prices[0].From = "2026-02-30"
	rows[10].Prices[0].Price = math.MaxInt64
	rows = append(rows, rows[1], good("Ende")) // the tea once more

	batch, err := till.API().PutArticles(t.Context(), rows)
	require.NoError(t, err)
	var bad []int
	for _, r := range batch.Rejected {
		bad = append(bad, r.Index)
		require.NotEmpty(t, r.Code, "row %d", r.Index)
		require.NotEmpty(t, r.Detail, "row %d", r.Index)
		require.Equal(t, rows[r.Index].ID, r.ID)
	}
	require.ElementsMatch(t, []int{2, 3, 5, 6, 7, 8, 9, 10, 11, 13}, bad)
	require.Equal(t, len(rows)-len(bad), batch.Accepted)

	again, err := till.API().PutArticles(t.Context(), rows[:2])
	require.NoError(t, err)
	require.Equal(t, 2, again.Unchanged)
	require.Zero(t, again.Accepted)
	all, err := till.API().AllArticles(t.Context(), client.List{})
	require.NoError(t, err)
	require.Len(t, all, batch.Accepted)

	many := make([]client.Article, 1001)
	for i := range many {
		many[i] = good("viel")
	}
	_, err = till.API().PutArticles(t.Context(), many)
	require.Equal(t, http.StatusUnprocessableEntity, statusOf(err), "%v", err)
}

func statusOf(err error) int {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.Status
	}
	return 0
}
