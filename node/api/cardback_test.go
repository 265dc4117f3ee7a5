package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soldByCard closes a receipt of 3.40 paid at the terminal, and returns its number.
func (b *bench) soldByCard() string {
	b.t.Helper()
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	id := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"ECKarte","amount":340,"terminal":true}`).in("payment").text("id")
	b.captured(id)
	return b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", "").text("number")
}

func (b *bench) captured(payment string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return b.ok(200, "GET", "/api/v1/payments/"+payment, "").text("state") == "captured"
	}, 10*time.Second, 5*time.Millisecond)
}

func TestARefundToACardOverHTTP(t *testing.T) {
	b := withTerminal(t, always())
	number := b.soldByCard()
	paid := b.ok(200, "GET", "/api/v1/receipts/"+number, "").in("document").list("payments")[0]
	require.Equal(t, object{"authorisation": "A00001", "kind": "Testkarte ****4242", "terminal": "T1", "trace": "000001"}, paid.in("card"))

	asked := b.ok(202, "POST", "/api/v1/receipts/"+number+"/cancel", `{"user":"Anna"}`, "Idempotency-Key", "once").in("asked")
	require.EqualValues(t, -340, asked["amount"])
	require.Equal(t, "reverse", asked.text("kind"))
	require.Equal(t, b.ok(200, "GET", "/api/v1/receipts/"+number, "").text("id"), asked.text("gives_back"))
	again := b.ok(202, "POST", "/api/v1/receipts/"+number+"/cancel", `{"user":"Anna"}`, "Idempotency-Key", "once").in("asked")
	require.Equal(t, asked.text("id"), again.text("id"))
	var of object
	require.Eventually(t, func() bool {
		of = b.ok(200, "GET", "/api/v1/receipts/"+number, "")
		return of["refunds"] != nil && of["paying_back"] == nil
	}, 10*time.Second, 5*time.Millisecond)
	back := b.ok(200, "GET", "/api/v1/receipts/"+of.list("refunds")[0].text("number"), "").in("document")
	require.Equal(t, asked.text("id"), back.list("payments")[0].text("id"))
	require.Equal(t, "000002", back.list("payments")[0].in("card").text("trace"))
	require.Equal(t, "Anna", back.text("user"))
	require.Empty(t, b.ok(200, "GET", "/api/v1/cases", "").list("items"))
	p := b.ok(200, "GET", "/api/v1/payments/"+asked.text("id"), "")
	require.Equal(t, of.list("refunds")[0].text("number"), p.text("receipt"))
	require.Equal(t, "A00002", p.text("authorisation"))
	require.True(t, b.ok(200, "GET", "/api/v1/verify", "")["ok"].(bool))

	second := b.soldByCard()
	cash := b.ok(201, "POST", "/api/v1/receipts/"+second+"/refund", `{"in_cash":true}`)
	require.Equal(t, "Bar", cash.in("document").list("payments")[0].text("type"))
	third := b.soldByCard()
	b.refused(422, "terminal-payment", "POST", "/api/v1/receipts/"+third+"/cancel", `{"payments":[{"type":"Bar","amount":-340,"terminal":true}]}`)
	part := b.ok(202, "POST", "/api/v1/receipts/"+third+"/cancel", `{"payments":[{"type":"Kreditkarte","amount":-340,"terminal":true}]}`).in("asked")
	require.Equal(t, "refund", part.text("kind"), "another kind of card than the one that paid")
}

func TestAReversedPaymentIsACaseUntilItsRefund(t *testing.T) {
	b := withTerminal(t, always())
	number := b.soldByCard()
	of := b.ok(200, "GET", "/api/v1/receipts/"+number, "")
	back := b.ok(201, "POST", "/api/v1/payments/"+of.in("document").list("payments")[0].text("id")+"/reverse", "").text("id")
	b.captured(back)
	cases := b.ok(200, "GET", "/api/v1/cases", "").list("items")
	require.Len(t, cases, 1)
	require.Equal(t, "orphan-payment", cases[0].text("kind"))
	require.Contains(t, cases[0].text("detail"), "given back to a card")
	require.Equal(t, number, cases[0].list("receipts")[0].text("number"))
	require.Equal(t, "refund", cases[0].list("ways")[0].text("way"))
	b.refused(409, "already-paid-back", "POST", "/api/v1/receipts/"+number+"/cancel", `{"payments":[{"type":"Bar","amount":-340}]}`)
	r := b.ok(201, "POST", "/api/v1/receipts/"+number+"/cancel", "")
	require.Equal(t, back, r.in("document").list("payments")[0].text("id"))
	require.Empty(t, b.ok(200, "GET", "/api/v1/cases", "").list("items"))
}

func TestDecidingAboutAPaymentOverHTTP(t *testing.T) {
	b := withTerminal(t, always())
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	id := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"ECKarte","amount":340,"terminal":true}`).in("payment").text("id")
	b.captured(id)
	b.refused(422, "invalid", "POST", "/api/v1/payments/"+id+"/decide", `{"paid":true}`)
	b.refused(422, "reason-missing", "POST", "/api/v1/payments/"+id+"/decide", `{"paid":true,"user":"Anna","reason":" "}`)
	b.refused(409, "payment-decided", "POST", "/api/v1/payments/"+id+"/decide", `{"paid":false,"user":"Anna","reason":"so"}`)
	b.refused(404, "unknown-payment", "POST", "/api/v1/payments/"+articleID+"/decide", `{"paid":false,"user":"Anna","reason":"so"}`)
}
