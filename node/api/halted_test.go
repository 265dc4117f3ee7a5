package api

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	state "github.com/tillmesh/tillmesh/node/disk"
)

func TestAHaltedTillSaysWhy(t *testing.T) {
	report := state.Report{Level: state.Closed, Known: true, Room: 3 << 20, Free: 4 << 20, Limits: state.DefaultLimits()}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	b := &bench{t: t, h: Halted(Options{Version: "test"}, &node.Halt{
		Kind: node.HaltDiskFull, Text: "old", At: at, Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Prefix: "K2", Token: "secret",
		Disk: func() state.Report { return report },
	})}
	do := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1:8480"+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		return w
	}
	refusal(t, do("GET", "/api/v1/status"), 401, "unauthorized")
	w := do("GET", "/api/v1/status", "Authorization", "Bearer secret")
	require.Equal(t, 200, w.Code)
	var got haltedStatus
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, "disk-full", got.Halted.Code)
	require.Contains(t, got.Halted.Text, "3 MB are free. This till does not sell until there is room", "as it is now")
	require.Contains(t, got.Halted.Hint, "goes on by itself")
	require.Equal(t, "2026-11-21T12:00:00.000Z", got.Halted.Since)
	require.Equal(t, "closed", got.Disk.Level)
	require.Equal(t, "K2", got.Till.Prefix)
	w = do("GET", "/healthz")
	require.Equal(t, 503, w.Code)
	require.Contains(t, w.Body.String(), `"disk-full"`)
	refusal(t, do("POST", "/api/v1/tabs", "Authorization", "Bearer secret"), 507, "disk-full")
	refusal(t, do("GET", "/api/v1/status", "Origin", "http://evil.example"), 403, "foreign-origin")

	b.h = Halted(Options{}, &node.Halt{Kind: node.HaltDoubt, Text: "it is not sure whose store this is", Token: "secret"})
	refusal(t, do("GET", "/api/v1/tabs", "Authorization", "Bearer secret"), 503, "doubt")
}

func TestDoctor(t *testing.T) {
	b := newBench(t)
	d := b.ok(200, "POST", "/api/v1/doctor?lang=de", "")
	require.NotEmpty(t, d["at"])
	require.NotEmpty(t, d["findings"])
	refusal(t, b.do("GET", "/api/v1/doctor?lang=fr", ""), 422, "invalid")
	s := b.ok(200, "GET", "/api/v1/status", "")
	require.Contains(t, s.in("doctor"), "wrong")
	require.Equal(t, "fine", s.in("disk")["level"])
	require.Equal(t, true, s.in("clock")["trusted"])
	w := b.do("GET", "/api/v1/doctor/bundle", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/zip", w.Header().Get("Content-Type"))
	require.NotContains(t, w.Body.String(), b.till.Token())
}
