package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzed are requests whose body or rest of the path comes from anybody who has the token.
var fuzzed = []string{
	"POST /api/v1/tabs", "POST /api/v1/tabs/" + strings.Repeat("a", 26) + "/lines", "POST /api/v1/articles:batch", "PUT /api/v1/articles/" + strings.Repeat("a", 26),
	"PUT /api/v1/settings", "POST /api/v1/pairing/invite", "GET /api/v1/tabs?after=", "GET /api/v1/receipts?after=", "GET /api/v1/articles?q=", "GET /api/v1/receipts/",
}

// FuzzRequest makes any request of these: it is answered or refused as a problem, never as a fault of the till.
func FuzzRequest(f *testing.F) {
	for i, body := range []string{
		`{"name":"Tisch 7","user":"Anna"}`, `{"article":"` + strings.Repeat("a", 26) + `","quantity":1000}`, `{"articles":[{"names":{"de":"Tee"}},7]}`, `{"names":{"de":"Tee"},"codes":null}`,
		`{"business":{"name":"Café"}}`, `{"token":`, "-1.x", "~~_~", "%ff&limit=-1", "K1-000001",
	} {
		f.Add(uint8(i), body, "")
	}
	f.Add(uint8(0), `{"name":"Tisch 7"}`, "a key")
	b := newBench(f)
	f.Fuzz(func(t *testing.T, which uint8, rest, key string) {
		method, path, _ := strings.Cut(fuzzed[int(which)%len(fuzzed)], " ")
		body := rest
		if method == http.MethodGet {
			path, body = path+escape(rest), ""
		}
		r := b.request(method, path, body)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		require.Less(t, w.Code, http.StatusInternalServerError, "%s %s: %s", method, path, w.Body)
		if w.Code >= http.StatusBadRequest {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), "%s %s: %s", method, path, w.Body)
		}
	})
}

// escape writes what a path or query cannot hold as an escape.
func escape(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if c > ' ' && c < 0x7f && !slices.Contains([]byte(`#%"`), c) {
			out.WriteByte(c)
		} else {
			const digits = "0123456789abcdef"
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}
