package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeCloud answers as a cloud does that knows one account.
func fakeCloud(t *testing.T) (url string, calls *[]string) {
	t.Helper()
	calls = new([]string)
	id := strings.Repeat("a", 52)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*calls = append(*calls, r.Method+" "+r.URL.Path)
		answer := map[string]any{
			"POST /api/v1/accounts": map[string]any{"id": "x", "name": "anna@cafe.example", "created": "2026-01-02T03:04:05Z"},
			"POST /api/v1/sessions": map[string]any{"token": "secret", "account": map[string]any{"name": "anna@cafe.example"}},
			"POST /api/v1/coupling/prepare": map[string]any{"account": strings.Repeat("a", 26), "name": "anna@cafe.example", "cloud": id,
				"nonce": strings.Repeat("00", 32), "shop": "new", "terms": map[string]any{"version": 1, "access": []any{map[string]any{"kind": "receipts", "text": "t", "read": true}}}},
			"POST /api/v1/couplings": map[string]any{"account": strings.Repeat("a", 26), "name": "anna@cafe.example", "key": strings.Repeat("00", 32), "proof": strings.Repeat("00", 64)},
			"DELETE /api/v1/session": map[string]any{},
		}[r.Method+" "+r.URL.Path]
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

func TestTheCloudOverHTTP(t *testing.T) {
	b := newBench(t)
	url, calls := fakeCloud(t)
	state := b.ok(200, "GET", "/api/v1/cloud", "")
	require.Equal(t, "not-coupled", state["state"])
	require.Empty(t, state["clouds"])
	require.NotContains(t, b.ok(200, "GET", "/api/v1/status", ""), "cloud")
	checked := b.ok(200, "POST", "/api/v1/cloud/password-check", `{"password": "Drei.Birnen7im!Korb"}`)
	require.Equal(t, true, checked["ok"])
	require.Len(t, checked["rules"], 7)

	login := `{"url": "` + url + `", "name": "anna@cafe.example", "password": "Drei.Birnen7im!Korb"}`
	require.Equal(t, "anna@cafe.example", b.ok(201, "POST", "/api/v1/cloud/account", login)["name"])
	terms := b.ok(200, "POST", "/api/v1/cloud/prepare", login, "Idempotency-Key", "k")
	again := b.ok(200, "POST", "/api/v1/cloud/prepare", login, "Idempotency-Key", "k")
	require.NotEqual(t, terms["id"], again["id"], "what holds a password is not kept, not even as a hash")
	require.Len(t, terms["access"], 1)
	require.Len(t, terms["missing"], 2)

	// Whoever answers there cannot sign as the cloud that it says it is: nothing is coupled.
	id, _ := terms["id"].(string)
	w := b.do("POST", "/api/v1/cloud/confirm", `{"id": "`+id+`"}`)
	require.Equal(t, http.StatusBadGateway, w.Code)
	require.Contains(t, w.Body.String(), `"code":"other-cloud"`)
	require.Empty(t, b.ok(200, "GET", "/api/v1/cloud", "")["clouds"])
	b.ok(204, "POST", "/api/v1/cloud/refuse", `{"id": "`+id+`"}`)
	require.Equal(t, "DELETE /api/v1/session", (*calls)[len(*calls)-1])
	for path, want := range map[string]struct {
		body, code string
		status     int
	}{
		"confirm":  {`{"id": "` + id + `"}`, "no-terms", 404},
		"refuse":   {`{"id": "00000000000000000000000000"}`, "invalid", 422},
		"sync":     {``, "not-coupled", 409},
		"sign-out": {``, "not-signed-in", 409},
		"uncouple": {`{}`, "not-coupled", 409},
		"prepare":  {`{"url": "ftp://cloud"}`, "cloud-address", 422},
		"account":  {`{"url": "http://127.0.0.1:1", "name": "a@b.example", "password": "x"}`, "cloud-away", 502},
	} {
		w := b.do("POST", "/api/v1/cloud/"+path, want.body)
		require.Equal(t, want.status, w.Code, "%s: %s", path, w.Body)
		require.Contains(t, w.Body.String(), `"code":"`+want.code+`"`, path)
	}
	look := b.ok(200, "GET", "/api/v1/cloud/check?url="+url, "")
	require.Equal(t, false, look["ok"])
	require.NotContains(t, b.logs.String(), "Birnen")
}
