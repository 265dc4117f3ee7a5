package api

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
)

// join lets a new machine ask at the till by six digits. The result comes when a person has decided.
func (b *bench) join(name string) (data string, done <-chan error) {
	b.t.Helper()
	data = filepath.Join(b.t.TempDir(), "new")
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	go func() {
		_, err := node.Join(ctx, node.JoinOptions{Data: data, Name: name, NoMDNS: true, Peers: []string{b.till.LinkAddr().String()},
			Compare: func(context.Context, pairing.Digits) error { return nil }})
		ended <- err
	}()
	return data, ended
}

// waiting returns the only request that waits.
func (b *bench) waiting() object {
	b.t.Helper()
	var found object
	require.Eventually(b.t, func() bool {
		items := b.ok(200, "GET", "/api/v1/pairing/requests", "")["items"].([]any)
		if len(items) == 1 {
			found = items[0].(map[string]any)
		}
		return found != nil
	}, 20*time.Second, time.Millisecond)
	return found
}

func TestRequestsWaitForAPerson(t *testing.T) {
	b := newBench(t)
	empty := b.ok(200, "GET", "/api/v1/pairing/requests", "")
	require.Equal(t, object{"items": []any{}, "closed_until": "", "replaceable": []any{}}, empty)
	data, done := b.join("Garten\u202e 123456")
	request := b.waiting()
	require.Regexp(t, `^\d{3} \d{3}$`, request["digits"])
	require.NotContains(t, request["name"], "123456", "what could pass for digits is masked")
	require.Equal(t, "127.0.0.1", request["address"])
	path := "/api/v1/pairing/requests/" + request["id"].(string)
	b.refused(422, "invalid", "POST", path, `{}`)
	b.refused(404, "no-request", "POST", "/api/v1/pairing/requests/0000", `{"accept": true}`)
	b.refused(404, "unknown-till", "POST", path, `{"accept": true, "replaces": "K9"}`)
	b.refused(409, "till-in-use", "POST", path, `{"accept": true, "replaces": "Theke"}`)
	got := b.ok(200, "POST", path, `{"accept": true}`)
	require.Equal(t, true, got["accepted"])
	require.NoError(t, <-done)
	require.True(t, node.BelongsToShop(data))
	b.refused(404, "no-request", "POST", path, `{"accept": true}`)
	require.Len(t, b.ok(200, "GET", "/api/v1/mesh", "")["tills"], 2)

	// The new till is not started: it is one that nobody sees.
	list := b.ok(200, "GET", "/api/v1/pairing/requests", "")["replaceable"].([]any)
	require.Len(t, list, 1)
	require.Equal(t, "K2", list[0].(map[string]any)["prefix"])
}

func TestTheDoorClosesAndOpens(t *testing.T) {
	b := newBench(t)
	for range pairing.MaxTries {
		_, done := b.join("Garten")
		got := b.ok(200, "POST", "/api/v1/pairing/requests/"+b.waiting()["id"].(string), `{"accept": false}`)
		require.Equal(t, false, got["accepted"])
		require.ErrorIs(t, <-done, pairing.ErrRefused)
	}
	require.Eventually(t, func() bool {
		return b.ok(200, "GET", "/api/v1/pairing/requests", "")["closed_until"] != ""
	}, 20*time.Second, time.Millisecond)
	_, done := b.join("Garten")
	require.ErrorIs(t, <-done, pairing.ErrDoorClosed)
	require.Empty(t, b.ok(200, "POST", "/api/v1/pairing/requests/open", `{}`)["closed_until"])
	_, done = b.join("Garten")
	b.ok(200, "POST", "/api/v1/pairing/requests/"+b.waiting()["id"].(string), `{"accept": true}`)
	require.NoError(t, <-done)
}

func TestTillsLeave(t *testing.T) {
	b := newBench(t)
	b.refused(404, "unknown-till", "POST", "/api/v1/tills/K9/revoke", `{}`)
	b.refused(409, "last-till", "POST", "/api/v1/tills/K1/retire", `{}`)
	b.refused(409, "last-till", "POST", "/api/v1/tills/K1/revoke", `{}`)
	for range 2 {
		_, done := b.join("Garten")
		b.ok(200, "POST", "/api/v1/pairing/requests/"+b.waiting()["id"].(string), `{"accept": true}`)
		require.NoError(t, <-done)
	}
	b.refused(409, "ambiguous-till", "POST", "/api/v1/tills/Garten/retire", "")
	retired := b.ok(200, "POST", "/api/v1/tills/k2/retire", "")
	require.Equal(t, "retired", retired["state"])
	require.Equal(t, "Theke", retired["by"])
	revoked := b.ok(200, "POST", "/api/v1/tills/K2/revoke", `{"reason": "gestohlen"}`)
	require.Equal(t, "revoked", revoked["state"], "revoked is stronger")
	require.Equal(t, "gestohlen", revoked["reason"])
	require.Nil(t, revoked["again"])
	require.Equal(t, true, b.ok(200, "POST", "/api/v1/tills/K2/revoke", "")["again"])
	b.refused(409, "departed", "POST", "/api/v1/tills/K2/retire", "")
	b.refused(422, "invalid", "POST", "/api/v1/tills/K3/retire", `{"reason": 7}`)
	states := map[string]string{}
	for _, till := range b.ok(200, "GET", "/api/v1/mesh", "")["tills"].([]any) {
		till := till.(map[string]any)
		states[till["prefix"].(string)] = till["state"].(string)
	}
	require.Equal(t, map[string]string{"K1": "active", "K2": "revoked", "K3": "active"}, states)

	// A till that is retired itself says so, and sells no more.
	b.ok(200, "POST", "/api/v1/tills/K1/retire", "")
	removed := b.ok(200, "GET", "/api/v1/status", "")["removed"].(map[string]any)
	require.Equal(t, "retired", removed["state"])
	b.refused(409, "till-removed", "POST", "/api/v1/tabs", `{}`)
	b.refused(409, "till-removed", "PUT", "/api/v1/settings", `{"shop_name": "x"}`)
	require.Equal(t, 503, b.do("GET", "/healthz", "").Code)
}
