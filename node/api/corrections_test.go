package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sell closes a tab with lines as given in JSON and returns the receipt.
func (b *bench) sellLines(lines, payments string) object {
	b.t.Helper()
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"lines":`+lines+`}`)
	return b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"user":"Anna","payments":`+payments+`}`)
}

func TestAReceiptIsTakenBack(t *testing.T) {
	b := newBench(t)
	b.stock()
	sold := b.sellLines(`[{"article":"`+articleID+`","quantity":3000},{"open":{"name":"Trinkgeld","price":100},"business_case":"TrinkgeldAN"}]`,
		`[{"type":"Bar","amount":1120}]`)
	line := ""
	for _, l := range sold.in("document").list("lines") {
		if l["business_case"] == "Umsatz" {
			line = l.text("id")
		}
	}
	of := "/api/v1/receipts/" + sold.text("number")
	back := b.ok(201, "POST", of+"/refund", `{"lines":[{"line":"`+line+`","quantity":1000}],"user":"Ben","reason":"kalt"}`)
	require.EqualValues(t, -340, back.in("document", "totals")["gross"])
	require.Equal(t, "kalt", back.in("document")["reason"])

	p := b.refused(409, "already-refunded", "POST", of+"/cancel", "")
	require.Equal(t, back["number"], p["receipt"])
	require.Contains(t, p["detail"], "at Theke, 20")
	p = b.refused(409, "already-refunded", "POST", of+"/refund", `{"lines":[{"line":"`+line+`","quantity":3000}]}`)
	require.Contains(t, p["detail"], "2000 thousandths are left")
	b.refused(404, "unknown-line", "POST", of+"/refund", `{"lines":[{"line":"`+articleID+`"}]}`)
	b.refused(409, "is-refund", "POST", "/api/v1/receipts/"+back.text("number")+"/cancel", "")
	b.refused(404, "not-found", "POST", "/api/v1/receipts/K9-000001/cancel", "")
	b.refused(422, "not-paid", "POST", of+"/refund", `{"payments":[{"type":"Bar","amount":-1}]}`)

	shown := b.ok(200, "GET", of, "")
	require.Equal(t, back["number"], shown.list("refunds")[0]["number"])
	require.Equal(t, line, shown.list("refunds")[0].list("lines")[0]["line"])
	rest := b.ok(201, "POST", of+"/refund", "", "Idempotency-Key", "rest")
	require.EqualValues(t, -780, rest.in("document", "totals")["gross"])
	require.Equal(t, rest, b.ok(201, "POST", of+"/refund", "", "Idempotency-Key", "rest"))

	another := b.sellLines(`[{"article":"`+articleID+`"}]`, `[{"type":"ECKarte","amount":340}]`)
	back = b.ok(201, "POST", "/api/v1/receipts/"+another.text("id")+"/cancel", `{"user":"Ben"}`)
	require.Equal(t, "ECKarte", back.in("document").list("payments")[0]["type"])
	require.Equal(t, "cancel", back.in("document").list("references")[0]["kind"])
}

func TestTheJournalTakesEveryBusinessCase(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.ok(201, "POST", "/api/v1/tabs", `{"training":true}`).text("id")
	lines := "/api/v1/tabs/" + tab + "/lines"
	line := b.ok(201, "POST", lines, `{"open":{"name":"Gutschein","price":2000},"business_case":"MehrzweckgutscheinKauf","voucher":"G-17"}`).in("line")
	require.Equal(t, "MehrzweckgutscheinKauf", line["business_case"])
	require.Equal(t, "G-17", line["voucher"])
	require.EqualValues(t, 0, line["rate"])
	b.refused(422, "business-case", "POST", lines, `{"open":{"name":"x","price":1},"business_case":"Geldtransit"}`)
	b.refused(422, "business-case", "POST", lines, `{"open":{"name":"x","price":1,"tax":"`+taxID+`"},"business_case":"Pfandrück"}`)
	b.ok(201, "POST", lines, `{"open":{"name":"Spende","price":100,"tax_key":"5"}}`)
	require.Equal(t, true, b.ok(200, "GET", "/api/v1/tabs/"+tab, "")["training"])
	r := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close",
		`{"payments":[{"type":"Bar","amount":2100,"tendered":2150,"foreign":{"currency":"CHF","amount":2000}}]}`)
	require.Equal(t, true, r.in("document")["training"])
	payment := r.in("document").list("payments")[0]
	require.EqualValues(t, 2000, payment.in("foreign")["amount"])
	require.EqualValues(t, 50, payment["change"])
	b.refused(422, "payment-type", "POST", "/api/v1/tabs/"+b.openTab()+"/payments", `{"type":"ECKarte","amount":1,"foreign":{"currency":"CHF","amount":1}}`)
}

func TestCashGoesInAndOut(t *testing.T) {
	b := newBench(t)
	b.stock()
	b.ok(201, "POST", "/api/v1/cash/float", `{"amount":10000,"user":"Anna"}`)
	out := b.ok(201, "POST", "/api/v1/cash/drop", `{"amount":2500,"text":"Bank","reason":"abends"}`)
	require.Equal(t, "Geldtransit", out.in("document").list("lines")[0]["business_case"])
	require.EqualValues(t, -2500, out.in("document", "totals")["gross"])
	b.sellLines(`[{"article":"`+articleID+`"}]`, `[{"type":"Bar","amount":340,"tendered":400,"foreign":{"currency":"CHF","amount":400}}]`)
	b.refused(422, "invalid", "POST", "/api/v1/cash/away", `{"amount":1}`)
	b.refused(422, "invalid", "POST", "/api/v1/cash/in", `{"amount":0}`)
	d := b.ok(200, "GET", "/api/v1/cash", "")
	require.EqualValues(t, 7500-60, d["expected"])
	require.EqualValues(t, 3, d["to"])
	require.Len(t, d.list("currencies"), 2)
	require.EqualValues(t, 400, d.list("currencies")[0]["amount"])
}

func TestATabIsAbandoned(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"Bar","amount":340}`)
	p := b.refused(409, "money-taken", "POST", "/api/v1/tabs/"+tab+"/abandon", `{"reason":"Gast ging"}`)
	require.Contains(t, p["hint"], "close it")
	tab = b.openTab()
	r := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/abandon", `{"user":"Anna","reason":"Gast ging"}`)
	require.Equal(t, "aborted", r.in("document")["kind"])
	require.Equal(t, r["number"], b.ok(200, "GET", "/api/v1/tabs/"+tab, "")["receipt"])
	b.refused(409, "tab-closed", "POST", "/api/v1/tabs/"+tab+"/abandon", "")
}

func TestACaseThatIsNone(t *testing.T) {
	b := newBench(t)
	b.refused(404, "unknown-case", "GET", "/api/v1/cases/"+articleID, "")
	b.refused(404, "unknown-case", "POST", "/api/v1/cases/"+articleID+"/resolve", `{"decision":"accept","user":"Anna"}`)
	b.refused(422, "invalid", "POST", "/api/v1/cases/"+articleID+"/resolve", `{"decision":"perhaps","user":"Anna"}`)
}
