package api

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/terminal/simulated"
)

// always is a customer who shows the card at once.
func always() <-chan struct{} {
	shown := make(chan struct{})
	close(shown)
	return shown
}

// withTerminal is a till with a simulated terminal on which nothing goes wrong; it answers nothing before hold is closed.
func withTerminal(t *testing.T, hold <-chan struct{}) *bench {
	t.Helper()
	data := filepath.Join(t.TempDir(), "till")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café Sonnenschein", Name: "Theke"})
	require.NoError(t, err)
	device, err := simulated.NewDevice(simulated.Config{Name: "T1"})
	require.NoError(t, err)
	began := time.Now()
	card := &simulated.Terminal{Device: device, Now: func() time.Duration { return time.Since(began) }, Wait: func(ctx context.Context, d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-hold:
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}}
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Terminal: card})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- till.Run(ctx) }()
	h, err := New(till.Till, Options{Version: "test"})
	require.NoError(t, err)
	b := &bench{t: t, till: till, h: h}
	b.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(b.stop)
	b.stock()
	return b
}

// sold closes a receipt of 3.40 and returns its number.
func (b *bench) sold() string {
	b.t.Helper()
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	return b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"Bar","amount":340}]}`).text("number")
}

func TestCardPaymentsOverHTTP(t *testing.T) {
	card := make(chan struct{}) // closed when the customer shows the card
	b := withTerminal(t, card)
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	paid := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"ECKarte","amount":340,"terminal":true}`, "Idempotency-Key", "once")
	require.Equal(t, "intended", paid.in("payment").text("state"))
	again := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", `{"type":"ECKarte","amount":340,"terminal":true}`, "Idempotency-Key", "once")
	require.Equal(t, paid, again)
	id := paid.in("payment").text("id")
	b.refused(409, "card-payment-running", "POST", "/api/v1/tabs/"+tab+"/close", `{}`)
	b.refused(422, "terminal-payment", "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"ECKarte","amount":340,"terminal":true}]}`)
	require.Equal(t, "T1", b.ok(200, "GET", "/api/v1/status", "").in("terminal").text("name"))
	require.Len(t, b.ok(200, "GET", "/api/v1/payments", "").list("items"), 1)
	close(card)
	require.Eventually(t, func() bool {
		return b.ok(200, "GET", "/api/v1/payments/"+id, "").text("state") == "captured"
	}, 10*time.Second, 10*time.Millisecond)
	p := b.ok(200, "POST", "/api/v1/payments/"+id+"/query", "")
	require.Equal(t, "captured", p.text("state"))
	require.NotEmpty(t, p["customer_receipt"])
	require.Len(t, p.list("steps"), 3)
	b.refused(409, "payment-decided", "POST", "/api/v1/payments/"+id+"/cancel", "")
	back := b.ok(201, "POST", "/api/v1/payments/"+id+"/reverse", `{"user":"Anna"}`)
	require.Equal(t, id, back.text("of"))
	require.Eventually(t, func() bool {
		return b.ok(200, "GET", "/api/v1/payments/"+back.text("id"), "").text("state") == "captured"
	}, 10*time.Second, 10*time.Millisecond)
	r := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"Bar","amount":340}]}`)
	require.Equal(t, r.text("number"), b.ok(200, "GET", "/api/v1/payments/"+id, "").text("receipt"))
	b.refused(404, "not-found", "GET", "/api/v1/payments/"+articleID, "")
	b.refused(404, "unknown-payment", "POST", "/api/v1/payments/"+articleID+"/query", "")
	require.True(t, b.ok(200, "GET", "/api/v1/verify", "")["ok"].(bool), "a reversed payment stands on a receipt that holds")
}

func TestPrintsOverHTTP(t *testing.T) {
	b := newBench(t)
	b.stock()
	number := b.sold()
	b.refused(409, "not-intended", "POST", "/api/v1/receipts/"+number+"/print", `{"state":"done"}`)
	p := b.ok(200, "POST", "/api/v1/receipts/"+number+"/print", `{"state":"intended","printer":"Theke"}`)
	require.Equal(t, object{"receipt": p["receipt"], "number": number, "state": "intended", "printer": "Theke", "count": 1.0, "printed": 0.0,
		"intended_at": p["intended_at"], "printed_at": "", "copy": false, "mark": ""}, p)
	require.Len(t, b.ok(200, "GET", "/api/v1/prints", "").list("items"), 1)
	require.EqualValues(t, 1, b.ok(200, "GET", "/api/v1/status", "")["open_prints"])
	b.ok(200, "POST", "/api/v1/receipts/"+number+"/print", `{"state":"done"}`)
	p = b.ok(200, "POST", "/api/v1/receipts/"+number+"/print", `{"state":"intended"}`)
	require.Equal(t, "Kopie 1", p.text("mark"))
	p = b.ok(200, "POST", "/api/v1/receipts/"+number+"/print", `{"state":"dropped"}`)
	require.Equal(t, "dropped", p.text("state"))
	require.Empty(t, b.ok(200, "GET", "/api/v1/prints", "").list("items"))
	b.refused(422, "invalid", "POST", "/api/v1/receipts/"+number+"/print", `{"state":"burnt"}`)
	b.refused(404, "not-found", "POST", "/api/v1/receipts/K1-000999/print", `{"state":"intended"}`)
}

func TestVerifyWhyAndExplainOverHTTP(t *testing.T) {
	b := newBench(t)
	b.stock()
	number := b.sold()
	v := b.ok(200, "GET", "/api/v1/verify", "")
	require.Equal(t, true, v["ok"])
	require.EqualValues(t, 1, v["documents"])
	require.Equal(t, "K1", v.list("series")[0].text("series"))
	require.Equal(t, false, b.ok(200, "GET", "/api/v1/verify/state", "")["running"])
	w := b.ok(200, "GET", "/api/v1/why/"+number, "")
	require.Len(t, w.list("steps"), 5)
	require.Equal(t, "no cloud", w.list("steps")[3].text("text"))
	require.Equal(t, "issued", b.ok(200, "GET", "/api/v1/why/K7-000001", "").text("first"))
	e := b.ok(200, "GET", "/api/v1/explain/"+number, "")
	require.Equal(t, "receipt", e.text("kind"))
	require.NotEmpty(t, e.list("events"))
	require.Equal(t, "Theke", e.list("events")[len(e.list("events"))-1].text("name"))
	b.refused(404, "not-found", "GET", "/api/v1/explain/K7-000001", "")
}
