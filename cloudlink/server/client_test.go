package server

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// direct carries requests to the server without a network and notes the operations.
type direct struct {
	b    *bench
	mu   sync.Mutex
	seen map[string]bool
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	_, pattern := d.b.mux.Handler(r)
	d.mu.Lock()
	d.seen[pattern] = true
	d.mu.Unlock()
	r.RemoteAddr = "198.51.100.1:1"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.b.ServeHTTP(w, r)
	return w.Result(), nil
}

// The client has a call for every operation, and reads what it answers.
func TestTheClientKnowsEveryOperation(t *testing.T) {
	ctx := t.Context()
	b := small(t)
	way := &direct{b: b, seen: make(map[string]bool)}
	c, err := serverclient.New(serverclient.Config{URL: "https://cloud.example/", Transport: way})
	require.NoError(t, err)
	defer c.Close()
	check := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}

	rules, err := c.CheckPassword(ctx, "x", "")
	check(err)
	require.Len(t, rules.Rules, 7)
	made, err := c.CreateAccount(ctx, "anna@shop.example", password)
	check(err)
	_, err = c.CreateAccount(ctx, "bela@shop.example", "x")
	require.Equal(t, "password-rules", serverclient.CodeOf(err))
	require.Len(t, err.(*serverclient.Problem).Rules, 7)
	signed, err := c.SignIn(ctx, serverclient.SignIn{Name: "anna@shop.example", Password: password, Label: "Kasse 1"})
	check(err)
	require.Equal(t, made, signed.Account)
	anonymous := c
	c = c.With(signed.Token)
	who, err := c.Account(ctx)
	check(err)
	require.Equal(t, made, who.Account)
	require.Len(t, who.Rights, 4)
	check(c.ChangePassword(ctx, password, "Vier.Birnen8im!Korb"))
	sessions, err := c.Sessions(ctx)
	check(err)
	require.True(t, sessions.Items[0].This)
	require.Equal(t, "not-found", serverclient.CodeOf(c.EndSession(ctx, "aaaqeayeaudaocajbifqydiob4")))
	key, err := c.CreateKey(ctx, "DATEV", []string{"read"}, serverclient.WithKey("k"))
	check(err)
	again, err := c.CreateKey(ctx, "DATEV", []string{"read"}, serverclient.WithKey("k"))
	check(err)
	require.Equal(t, key, again)
	keys, err := c.Keys(ctx)
	check(err)
	require.Equal(t, key.Key, keys.Items[0])
	check(c.RevokeKey(ctx, key.Key.ID))

	m := founder(t, 1)
	other, err := c.CreateCode(ctx, "Kasse 9")
	check(err)
	check(c.WithdrawCode(ctx, other.Entry.ID))
	code, err := c.CreateCode(ctx, "Kasse 1")
	check(err)
	terms, err := anonymous.Terms(ctx)
	check(err)
	asked := serverclient.Asked{Code: code.Code, Shop: m.shop.String(), Till: m.id.String(), TillName: "Kasse 1"}
	prepared, err := anonymous.PrepareCoupling(ctx, asked)
	check(err)
	require.Equal(t, terms, prepared.Terms)
	claim, err := anonymous.Claim(asked, prepared)
	check(err)
	signature, err := claim.Sign(m.key)
	check(err)
	coupled, err := anonymous.Couple(ctx, serverclient.Couple{
		Code: code.Code, Confirmed: true, Shop: asked.Shop, ShopName: "Café", Till: asked.Till, TillName: asked.TillName, Host: claim.Host,
		Nonce: prepared.Nonce, Signature: hex.EncodeToString(signature),
		Roster: []serverclient.RosterItem{{Type: m.item.Type, ID: m.item.Object.String(), Raw: m.item.Raw}},
	}, serverclient.WithKey("couple"))
	check(err)
	require.True(t, coupled.First)
	cloud, err := coupled.CloudKey(claim)
	check(err)
	require.Equal(t, prepared.Cloud, crdt.TillIDOf(cloud).String())
	claim.Host = "other.example"
	_, err = coupled.CloudKey(claim)
	require.ErrorIs(t, err, coupling.ErrCloud)
	codes, err := c.Codes(ctx)
	check(err)
	require.Equal(t, asked.Till, codes.Items[0].Till)

	shops, err := c.Shops(ctx)
	check(err)
	shop, err := c.Shop(ctx, asked.Shop)
	check(err)
	require.Equal(t, shops.Items[0], shop)
	devices, err := c.Devices(ctx, asked.Shop)
	check(err)
	require.Equal(t, coupled.Device, devices.Items[0])

	const id = "aaaqeayeaudaocajbifqydiob4"
	plu := "12"
	article, err := c.PutArticle(ctx, asked.Shop, id, serverclient.Article{PLU: &plu, Names: map[string]string{"de": "Tee"},
		Prices: []serverclient.Price{{From: "2026-01-01", Price: 340}}})
	check(err)
	require.Equal(t, int64(340), article.Prices[0].Price)
	same, err := c.Article(ctx, asked.Shop, id)
	check(err)
	require.Equal(t, article, same)
	_, err = c.PutArticle(ctx, asked.Shop, id, same) // what was read can be written
	check(err)
	articles, err := c.Articles(ctx, asked.Shop, "", 1)
	check(err)
	require.Len(t, articles.Items, 1)

	receipts, err := c.Receipts(ctx, asked.Shop, serverclient.Filter{From: "2026-01-01", Limit: 5})
	check(err)
	receipt, err := c.Receipt(ctx, asked.Shop, "K1-000001")
	check(err)
	require.Equal(t, receipts.Items[0], receipt.Entry)
	require.JSONEq(t, string(receipt.Canonical), string(receipt.Document))
	closings, err := c.Closings(ctx, asked.Shop, serverclient.Filter{After: "more"})
	check(err)
	closing, err := c.Closing(ctx, asked.Shop, "K1-000001")
	check(err)
	require.Equal(t, closings.Items[0], closing.Entry)
	checkpoint, err := c.Checkpoint(ctx)
	check(err)
	proof, err := c.Inclusion(ctx, 5, checkpoint.Size)
	check(err)
	require.NotEmpty(t, proof.Leaf)
	hashes, err := c.Consistency(ctx, 1, checkpoint.Size)
	check(err)
	require.Len(t, hashes, 2)
	report, err := c.Completeness(ctx, asked.Shop, "", "", nil)
	check(err)
	require.Contains(t, string(report), marker)
	noticed, err := c.ShopStatus(ctx, asked.Shop)
	check(err)
	require.Empty(t, noticed.Gaps)
	lost, err := c.Loss(ctx, asked.Shop, asked.Till)
	check(err)
	statement, err := loss.Verify(lost, crdt.TillID{})
	check(err)
	require.Equal(t, asked.Till, statement.Till.ID)
	export, err := c.StartExport(ctx, serverclient.Range{Shop: asked.Shop})
	check(err)
	export, err = c.Export(ctx, export.ID)
	check(err)
	exports, err := c.Exports(ctx)
	check(err)
	require.Equal(t, export, exports.Items[0])
	var file bytes.Buffer
	check(c.Download(ctx, export.ID, &file))
	require.Equal(t, "zip", file.String())
	require.Equal(t, "not-found", serverclient.CodeOf(c.Download(ctx, id, io.Discard)))
	hold, err := c.SetHold(ctx, serverclient.Range{}, "Prüfung")
	check(err)
	_, err = c.ReleaseHold(ctx, hold.ID, "beendet")
	check(err)
	holds, err := c.Holds(ctx)
	check(err)
	require.Len(t, holds.Items, 1)
	status, err := anonymous.Status(ctx)
	check(err)
	require.True(t, status.OK)
	acts, err := c.Acts(ctx, "", 0)
	check(err)
	require.NotEmpty(t, acts.Items)
	device, err := c.RevokeDevice(ctx, asked.Shop, asked.Till, "gestohlen")
	check(err)
	_, err = c.PrepareCoupling(ctx, serverclient.Asked{Shop: asked.Shop, Till: asked.Till, TillName: "Kasse 1"})
	require.Equal(t, device.Revoked, err.(*serverclient.Problem).Since)
	check(c.SignOut(ctx))
	_, err = c.Account(ctx)
	require.Equal(t, "unauthorized", serverclient.CodeOf(err))

	for pattern := range b.routes {
		if strings.Contains(pattern, "/api/v1/") && !strings.HasSuffix(pattern, "openapi.json") {
			require.True(t, way.seen[pattern], "the client has no call for %s", pattern)
		}
	}
}
