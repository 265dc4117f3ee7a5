package api

import (
	"encoding/base64"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASaleFromTabToReceipt(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()

	got := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`","quantity":2000,"user":"Anna","text":["ohne Zucker"]}`)
	line := got.in("line")
	require.Equal(t, "Espresso", line["name"])
	require.EqualValues(t, 680, line["gross"])
	require.EqualValues(t, 1900, line["rate"])
	require.Equal(t, []any{"ohne Zucker"}, line["text"])
	require.EqualValues(t, 680, got.in("tab", "totals")["due"])
	require.Equal(t, tab, got.in("tab")["id"])

	got = b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"lines":[{"article":"`+articleID+`"},
		{"open":{"name":"Geschenkpapier","tax":"`+taxID+`","price":150}}]}`)
	require.Len(t, got.list("lines"), 2)
	require.Nil(t, got["line"])
	require.EqualValues(t, 340, got.list("lines")[0]["gross"])
	require.EqualValues(t, 150, got.list("lines")[1]["gross"])
	require.EqualValues(t, 1170, got.in("tab", "totals")["gross"])

	shown := b.ok(200, "POST", "/api/v1/tabs/"+tab+"/lines/"+line.text("id")+"/void", `{"quantity":1000,"reason":"falsch getippt","user":"Anna"}`)
	require.EqualValues(t, 830, shown.in("totals")["gross"])
	i := slices.IndexFunc(shown.list("lines"), func(l object) bool { return l["id"] == line["id"] })
	require.Equal(t, "falsch getippt", shown.list("lines")[i].in("void")["reason"])
	shown = b.ok(200, "POST", "/api/v1/tabs/"+tab+"/discount", `{"kind":"percent","basis_points":1000,"reason":"Stammgast"}`)
	require.EqualValues(t, 747, shown.in("totals")["gross"])
	require.EqualValues(t, -83, shown.list("discounts")[0]["amount"])
	shown = b.ok(200, "POST", "/api/v1/tabs/"+tab+"/discount", `{"kind":"percent","basis_points":0}`)
	require.EqualValues(t, 830, shown.in("totals")["gross"])
	shown = b.ok(200, "POST", "/api/v1/tabs/"+tab+"/lines/"+line.text("id")+"/discount", `{"kind":"amount","amount":30}`)
	require.EqualValues(t, 800, shown.in("totals")["gross"])

	claim := b.ok(200, "POST", "/api/v1/tabs/"+tab+"/claim", "")
	require.Equal(t, true, claim["granted"])
	require.Equal(t, "Theke", claim.in("holder")["till_name"])
	pay := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"ECKarte","amount":300,"user":"Anna"}`)
	require.EqualValues(t, 500, pay["due"])
	p := b.refused(422, "not-paid", "POST", "/api/v1/tabs/"+tab+"/close", `{}`)
	require.EqualValues(t, 500, p["due"])

	list := b.ok(200, "GET", "/api/v1/tabs?q=tisch", "").list("items")
	require.Len(t, list, 1)
	require.Equal(t, "open", list[0]["state"])
	require.Equal(t, "Theke", list[0].in("opened_by")["till_name"])
	require.Equal(t, "Anna", list[0].in("opened_by")["user"])
	require.Empty(t, b.ok(200, "GET", "/api/v1/tabs?q=anders", "").list("items"))

	receipt := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"user":"Anna","payments":[{"type":"Bar","amount":500,"tendered":1000}]}`)
	number := receipt.text("number")
	require.NotEmpty(t, number)
	require.Equal(t, true, receipt["verified"])
	require.Equal(t, []any{tab}, receipt["tabs"])
	require.EqualValues(t, 800, receipt.in("document", "totals")["gross"])
	bytes, err := base64.StdEncoding.DecodeString(receipt.text("canonical"))
	require.NoError(t, err)
	require.Contains(t, string(bytes), `"gross":800`)

	p = b.refused(409, "tab-closed", "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	require.Equal(t, number, p["receipt"])
	closed := b.ok(200, "GET", "/api/v1/tabs/"+tab, "")
	require.Equal(t, "closed", closed["state"])
	require.Equal(t, number, closed["receipt"])
	require.Empty(t, b.ok(200, "GET", "/api/v1/tabs", "").list("items"))

	receipts := b.ok(200, "GET", "/api/v1/receipts", "").list("items")
	require.Len(t, receipts, 1)
	require.Equal(t, number, receipts[0]["number"])
	require.EqualValues(t, 800, receipts[0]["gross"])
	require.Equal(t, receipt["hash"], b.ok(200, "GET", "/api/v1/receipts/"+number, "")["hash"])
	require.Equal(t, receipt["hash"], b.ok(200, "GET", "/api/v1/receipts/"+receipt.text("id"), "")["hash"])
	require.Len(t, b.ok(200, "GET", "/api/v1/receipts?q="+number, "").list("items"), 1)
	b.refused(404, "not-found", "GET", "/api/v1/receipts/K9-000001", "")
	b.refused(422, "invalid", "GET", "/api/v1/receipts?from=2026-02-31", "")
	b.refused(422, "invalid", "GET", "/api/v1/receipts?after=xyz", "")
	require.Empty(t, b.ok(200, "GET", "/api/v1/cases", "").list("items"))
}

func TestSalesRefuseWhatIsWrong(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	lines := "/api/v1/tabs/" + tab + "/lines"
	other := "bbbqeayeaudaocajbifqydiob4"
	b.ok(200, "PUT", "/api/v1/articles/"+other, `{"names":{"de":"Alt"},"archived":true,"prices":[{"from":"2020-01-01","price":1,"tax":"`+taxID+`"}]}`)
	none := "cccqeayeaudaocajbifqydiob4"
	b.ok(200, "PUT", "/api/v1/articles/"+none, `{"names":{"de":"Ohne Preis"}}`)
	tests := []struct {
		status           int
		code, path, body string
		field            string
	}{
		{404, "unknown-article", lines, `{"article":"dddqeayeaudaocajbifqydiob4"}`, ""},
		{404, "unknown-tab", "/api/v1/tabs/dddqeayeaudaocajbifqydiob4/lines", `{"article":"` + articleID + `"}`, ""},
		{404, "unknown-line", lines + "/dddqeayeaudaocajbifqydiob4/void", ``, ""},
		{422, "quantity", lines, `{"article":"` + articleID + `","quantity":0}`, "body.quantity"},
		{422, "quantity", lines, `{"article":"` + articleID + `","quantity":500}`, ""},
		{422, "overflow", lines, `{"article":"` + articleID + `","quantity":1000000001}`, "body.quantity"},
		{422, "overflow", lines, `{"article":"` + articleID + `","unit_price":10000000000001}`, "body.unit_price"},
		{422, "invalid", lines, `{"article":"` + articleID + `","quantity":1e30}`, "body.quantity"},
		{422, "invalid", lines, `{"article":"` + articleID + `","quantity":1000.5}`, "body.quantity"},
		{422, "invalid", lines, `{"article":"` + articleID + `","quantity":"1000"}`, "body.quantity"},
		{422, "invalid", lines, `{"article":"` + articleID + `","Quantity":1000}`, "body.Quantity"},
		{422, "invalid", lines, `{"article":"` + articleID + `","qty":1000}`, "body.qty"},
		{422, "invalid", lines, `{"article":"` + articleID + `","open":{"name":"x","tax":"` + taxID + `","price":1}}`, "body.article"},
		{422, "invalid", lines, `{}`, "body.article"},
		{422, "invalid", lines, `{"article":"kurz"}`, "body.article"},
		{422, "invalid", lines, `{"lines":[]}`, "body.lines"},
		{422, "invalid", lines, `{"lines":[{"article":"` + articleID + `"}],"user":"x"}`, "body.lines"},
		{422, "quantity", lines, `{"lines":[{"article":"` + articleID + `"},{"article":"` + articleID + `","quantity":0}]}`, "body.lines[1].quantity"},
		{422, "article-archived", lines, `{"article":"` + other + `"}`, ""},
		{422, "no-price", lines, `{"article":"` + none + `"}`, ""},
		{400, "malformed", lines, `{"article":`, ""},
		{400, "malformed", lines, "{\"article\":\"\xff\"}", ""},
		{422, "invalid", lines, `[]`, "body"},
		{422, "amount", "/api/v1/tabs/" + tab + "/payments", `{"type":"Bar","amount":0}`, "body.amount"},
		{422, "overflow", "/api/v1/tabs/" + tab + "/payments", `{"type":"Bar","amount":10000000000001}`, "body.amount"},
		{422, "payment-type", "/api/v1/tabs/" + tab + "/payments", `{"type":"Muscheln","amount":1}`, ""},
		{422, "nothing-to-close", "/api/v1/tabs/" + tab + "/close", ``, ""},
		{422, "invalid", "/api/v1/tabs/" + tab + "/discount", `{"kind":"percent","amount":1}`, "body.basis_points"},
		{422, "invalid", "/api/v1/tabs/" + tab + "/discount", `{"kind":"half"}`, "body.kind"},
		{422, "discount", "/api/v1/tabs/" + tab + "/discount", `{"kind":"amount","amount":1}`, ""},
		{422, "invalid", "/api/v1/tabs", `{"id":"` + "AAAQEAYEAUDAOCAJBIFQYDIOB4" + `"}`, "body.id"},
		{422, "invalid", "/api/v1/tabs/kurz/lines", `{"article":"` + articleID + `"}`, "path.id"},
	}
	for _, test := range tests {
		t.Run(test.code+" "+test.body, func(t *testing.T) {
			w := b.do("POST", test.path, test.body)
			p := refusal(t, w, test.status, test.code)
			if test.field != "" {
				require.Equal(t, test.field, p["field"])
			}
		})
	}
	require.Empty(t, b.ok(200, "GET", "/api/v1/tabs/"+tab, "").list("lines"), "nothing was written")
}

func TestTabsAreListedInParts(t *testing.T) {
	b := newBench(t)
	want := make(map[string]bool)
	for range 7 {
		want[b.openTab()] = true
	}
	got := make(map[string]bool)
	after, parts := "", 0
	for {
		p := b.ok(200, "GET", "/api/v1/tabs?limit=3&after="+after, "")
		parts++
		for _, tab := range p.list("items") {
			require.False(t, got[tab.text("id")], "nothing twice")
			got[tab.text("id")] = true
		}
		if after = p.text("next"); after == "" {
			break
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, parts)
	for _, after := range []string{"x", "1", "1.x", "x." + articleID} {
		b.refused(422, "invalid", "GET", "/api/v1/tabs?after="+after, "")
	}
}

func TestATabOrLineWithAnIDIsMadeOnce(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab, line := "ttaqeayeaudaocajbifqydiob4", "llaqeayeaudaocajbifqydiob4"
	for range 2 {
		require.Equal(t, tab, b.ok(201, "POST", "/api/v1/tabs", `{"id":"`+tab+`","shared":false}`)["id"])
		got := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"id":"`+line+`","article":"`+articleID+`"}`)
		require.Equal(t, line, got.in("line")["id"])
		require.EqualValues(t, 340, got.in("tab", "totals")["gross"])
	}
	shown := b.ok(200, "GET", "/api/v1/tabs/"+tab, "")
	require.Equal(t, false, shown["shared"])
	require.Len(t, shown.list("lines"), 1)
	rate := shown.in("totals").list("rates")[0]
	require.EqualValues(t, 286, rate["net"])
	require.EqualValues(t, 54, rate["tax_amount"])
	require.Equal(t, taxID, rate["tax"])
	other := b.openTab()
	b.refused(409, "exists", "POST", "/api/v1/tabs/"+other+"/lines", `{"id":"`+line+`","article":"`+articleID+`"}`)
}
