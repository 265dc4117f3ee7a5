package api

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// soldCups closes a tab with cups of coffee, paid in cash.
func (b *bench) soldCups(n int) {
	b.t.Helper()
	tab := b.openTab()
	b.line(tab, fmt.Sprintf(`{"article":"%s","quantity":%d}`, articleID, 1000*n))
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", fmt.Sprintf(`{"payments":[{"type":"Bar","amount":%d}]}`, 340*n))
}

func TestClosingsOfATill(t *testing.T) {
	b := newBench(t)
	b.stock()
	b.ok(201, "POST", "/api/v1/cash/float", `{"amount":10000}`)
	b.soldCups(10)
	x := b.ok(201, "POST", "/api/v1/closings", `{"kind":"x"}`)
	require.Equal(t, "K1 X", x.text("name"))
	require.EqualValues(t, 13_400, x["cash_expected"])
	require.Equal(t, "interim", x.in("document").text("kind"))
	require.Empty(t, x.text("id"))
	require.Empty(t, b.ok(200, "GET", "/api/v1/closings", "").list("items"), "nothing is stored")

	open := b.openTab()
	b.line(open, `{"article":"`+articleID+`"}`)
	b.refused(409, "open-tabs", "POST", "/api/v1/closings", `{"kind":"z"}`)
	pieces := `"pieces":[{"value":5000,"count":2},{"value":1000,"count":3},{"value":200,"count":2}]`
	b.refused(422, "amount", "POST", "/api/v1/closings", `{"kind":"z","keep_tabs":true,"counted":1,`+pieces+`}`)
	b.refused(409, "sold-since", "POST", "/api/v1/closings", `{"kind":"z","keep_tabs":true,"counted_after":1,"counted":13400}`)
	b.refused(409, "drawer", "POST", "/api/v1/closings", `{"kind":"z","keep_tabs":true,"drop":20000}`)
	b.refused(409, "difference", "POST", "/api/v1/closings", `{"kind":"z","keep_tabs":true,"counted":13000}`)
	b.refused(422, "invalid", "POST", "/api/v1/closings", `{"kind":"w"}`)
	body := `{"kind":"z","user":"Anna",` + pieces + `,"float":10000,"counted_after":2,"tabs":[{"id":"` + open + `","what":"kept"}]}`
	z := b.ok(201, "POST", "/api/v1/closings", body, "Idempotency-Key", "z1")
	require.Equal(t, z, b.ok(201, "POST", "/api/v1/closings", body, "Idempotency-Key", "z1"))
	require.Equal(t, "K1 Z 1", z.text("name"))
	require.EqualValues(t, 13_400, z["cash_counted"])
	require.Equal(t, true, z["verified"])

	one := b.ok(200, "GET", "/api/v1/closings/K1-Z-1", "")
	require.Equal(t, z["canonical"], one["canonical"])
	raw, err := json.Marshal(one["document"])
	require.NoError(t, err)
	var document struct {
		Cash struct {
			Dropped int64 `json:"dropped"`
		} `json:"cash"`
		Tabs []struct {
			ID   string `json:"id"`
			What string `json:"what"`
		} `json:"open_tabs"`
	}
	require.NoError(t, json.Unmarshal(raw, &document))
	require.EqualValues(t, 3_400, document.Cash.Dropped)
	require.Equal(t, open, document.Tabs[0].ID)
	require.Equal(t, receipt.TabKept, document.Tabs[0].What)
	require.EqualValues(t, 10_000, b.ok(200, "GET", "/api/v1/cash", "")["expected"], "the float of the next period")
	b.refused(404, "not-found", "GET", "/api/v1/closings/K1-Z-2", "")

	day := b.ok(200, "GET", "/api/v1/closings/days/today", "")
	require.Equal(t, "complete", day.text("state"))
	require.EqualValues(t, 1, day["revision"])
	require.EqualValues(t, 10_000+3_400-3_400, day.in("sums")["gross"])
	b.soldCups(1)
	again := b.ok(200, "GET", "/api/v1/closings/days/"+day.text("day"), "")
	require.Equal(t, "provisional", again.text("state"))
	require.Equal(t, "not-closed", again.list("missing")[0].text("why"))
	b.refused(422, "day", "GET", "/api/v1/closings/days/tomorrow", "")
	shop := b.ok(201, "POST", "/api/v1/closings", `{"kind":"z","keep_tabs":true,"shop":true}`)
	require.Equal(t, "K1 Z 2", shop.text("name"))
	list := b.ok(200, "GET", "/api/v1/closings?limit=1", "")
	require.Equal(t, "K1 Z 2", list.list("items")[0].text("name"))
	rest := b.ok(200, "GET", "/api/v1/closings?limit=1&till=K1&after="+list.text("next"), "")
	require.Equal(t, "K1 Z 1", rest.list("items")[0].text("name"))
	require.Empty(t, b.ok(200, "GET", "/api/v1/closings?from=2020-01-01&to=2020-01-02", "").list("items"))
	b.refused(404, "unknown-till", "GET", "/api/v1/closings?till=K9", "")
}
