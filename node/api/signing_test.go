package api

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// newSigned is a till of a country with its software signer.
func newSigned(t *testing.T, country string) *bench {
	t.Helper()
	data := filepath.Join(t.TempDir(), "till")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café Sonnenschein", Name: "Theke", Country: country})
	require.NoError(t, err)
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test",
		Signers: node.SoftwareSigners(data, node.Environment{})})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- till.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	h, err := New(till.Till, Options{Version: "test"})
	require.NoError(t, err)
	b := &bench{t: t, till: till, h: h, logs: &logged{}}
	b.stock()
	return b
}

func (b *bench) sellEspresso() object {
	b.t.Helper()
	tab := b.openTab()
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	return b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"Bar","amount":340}]}`)
}

func TestAReceiptShowsItsTSEAndTheTillItsDevice(t *testing.T) {
	b := newSigned(t, "DE")
	number := b.sellEspresso().text("number")
	require.NotEmpty(t, number)
	shown := b.ok(200, "GET", "/api/v1/receipts/"+number, "").in("signing")
	require.Equal(t, "tse", shown["kind"])
	require.True(t, strings.HasPrefix(shown.text("qr"), "V0;"), shown)
	require.Equal(t, "KEINE ZERTIFIZIERTE TSE", shown["notice"])
	state := b.ok(200, "GET", "/api/v1/signing", "")
	require.Equal(t, true, state["works"])
	require.Equal(t, "KEINE ZERTIFIZIERTE TSE", state["notice"])
	require.Len(t, state.text("serial"), 64)
	require.Empty(t, state.list("outages"))
	require.Equal(t, "KEINE ZERTIFIZIERTE TSE", b.ok(200, "GET", "/api/v1/status", "").in("signing")["notice"])
	first := b.ok(201, "POST", "/api/v1/signing/check", `{"user":"Anna"}`, "Idempotency-Key", "check-1")
	again := b.ok(201, "POST", "/api/v1/signing/check", `{"user":"Anna"}`, "Idempotency-Key", "check-1")
	require.Equal(t, first["number"], again["number"])
	b.refused(404, node.CodeNoSigner, "GET", "/api/v1/signing/dep", "")
}

func TestTheLogOfAnAustrianTillVerifies(t *testing.T) {
	b := newSigned(t, "AT")
	b.sellEspresso()
	b.sellEspresso()
	state := b.ok(200, "GET", "/api/v1/signing", "")
	require.Equal(t, "rksv", state["kind"])
	require.Equal(t, "K1", state["client"])
	require.EqualValues(t, 680, state["turnover"])
	require.Len(t, state.text("check_value"), 4)
	require.True(t, strings.HasPrefix(b.ok(200, "GET", "/api/v1/receipts/K1-000002", "").in("signing").text("qr"), "_R1-AT0_K1_K1-000002_"))
	w := b.do("GET", "/api/v1/signing/dep", "")
	require.Equal(t, 200, w.Code)
	log := rksv.NewReader(w.Body)
	for range 3 {
		_, err := log.Next()
		require.NoError(t, err)
	}
	_, err := log.Next()
	require.Error(t, err, "the start receipt and two sales")
}

func TestATillWithoutASigningDeviceSaysSo(t *testing.T) {
	b := newBench(t)
	require.Equal(t, "", b.ok(200, "GET", "/api/v1/signing", "")["kind"])
	b.refused(404, node.CodeNoSigner, "POST", "/api/v1/signing/check", `{}`)
}
