package api

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	state "github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/replication/engine"
)

func TestStatusAndMesh(t *testing.T) {
	b := newBench(t)
	s := b.ok(200, "GET", "/api/v1/status", "")
	require.Equal(t, "tillmesh", s["program"])
	require.Equal(t, "test", s["version"])
	require.Equal(t, "Café Sonnenschein", s.in("shop")["name"])
	require.Equal(t, "Theke", s.in("till")["name"])
	require.Len(t, s.in("till")["id"], 52)
	require.Equal(t, true, s["equal"])
	require.Equal(t, []any{}, s["peers"])
	require.NotEmpty(t, s["state_hash"])
	require.NotEmpty(t, s["next_number"])
	require.NotEmpty(t, s.list("scopes"))
	require.Len(t, s.list("scopes")[0]["digest"], 32)
	require.Greater(t, s.in("disk")["free_bytes"], 0.0)

	m := b.ok(200, "GET", "/api/v1/mesh", "")
	require.Len(t, m.list("tills"), 1)
	require.Equal(t, true, m.list("tills")[0]["self"])
	require.Equal(t, "active", m.list("tills")[0]["state"])
	require.Equal(t, "off", m.in("discovery")["mdns"])
	require.Contains(t, m.in("counters"), "refused_unknown_key")
	require.Len(t, m.in("counters"), len(meshCounters))
}

func TestInvitations(t *testing.T) {
	b := newBench(t)
	i := b.ok(201, "POST", "/api/v1/pairing/invite", `{}`)
	require.Len(t, strings.ReplaceAll(i.text("token"), "-", ""), 28)
	require.NotEmpty(t, i["expires_at"])
	require.NotEmpty(t, i["addresses"])
	for range 7 {
		b.ok(201, "POST", "/api/v1/pairing/invite", ``)
	}
	w := b.do("POST", "/api/v1/pairing/invite", ``)
	refusal(t, w, 429, "too-many-invitations")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.NotContains(t, b.logs.String(), i.text("token"))
	b.refused(422, "invalid", "POST", "/api/v1/pairing/invite", `{"till":"x"}`)
}

func TestHealthAndMetrics(t *testing.T) {
	b := newBench(t)
	require.Equal(t, true, b.ok(200, "GET", "/healthz", "", "Authorization", "")["ok"])
	b.stock()
	b.openTab()
	b.refused(404, "not-found", "GET", "/nothing", "")
	b.refused(401, "unauthorized", "GET", "/api/v1/status", "", "Authorization", "")
	w := b.do("GET", "/metrics", "")
	require.Equal(t, 200, w.Code)
	got := w.Body.String()
	for _, line := range []string{
		`till_http_requests_total{route="POST /api/v1/tabs",status="2xx"} 1`,
		`till_http_requests_total{route="POST /api/v1/tabs",status="5xx"} 0`,
		`till_http_requests_total{route="none",status="4xx"} 1`,
		`till_http_requests_total{route="GET /api/v1/status",status="4xx"} 1`,
		`till_http_request_seconds_count{route="POST /api/v1/tabs"} 1`,
		`till_tabs_opened_total 1`, `till_lines_added_total 0`, `till_receipts_closed_total 0`, `till_refused_unknown_key_total 0`,
		`till_links 0`, `till_tills 1`, `till_tills_alive 1`, `till_build_info{version="test"} 1`, `go_goroutines`,
	} {
		require.Contains(t, got, line)
	}
	require.NotContains(t, got, b.till.Token())
}

func TestATillWithoutAShop(t *testing.T) {
	found := []discovery.Shop{{ID: crdt.ShopID{1}, Tills: []discovery.Candidate{
		{Till: crdt.TillID{2}, Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.168.1.20:8481")}},
	}}}
	h := NoShop(Options{Version: "test"}, func() node.WaitingState { return node.WaitingState{Found: found, Phase: node.PhaseChoose} },
		func(crdt.ShopID, crdt.TillID) error { return nil })
	b := &bench{t: t, h: h}
	do := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1:8480"+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		return w
	}
	w := do("GET", "/api/v1/status")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"shop":null`)
	require.Contains(t, w.Body.String(), `"192.168.1.20:8481"`)
	require.Equal(t, 200, do("GET", "/healthz").Code)
	refusal(t, do("GET", "/api/v1/articles"), 409, "no-shop")
	refusal(t, do("POST", "/api/v1/status"), 409, "no-shop")
	refusal(t, do("GET", "/api/v1/status", "Origin", "http://evil.example"), 403, "foreign-origin")
}

func TestCases(t *testing.T) {
	a, r := crdt.ObjectID{1}, crdt.ObjectID{2}
	got := showCase(book.Case{Kind: book.CaseDouble, Objects: []crdt.ObjectID{a}, Receipts: []crdt.ObjectID{r}, Numbers: []string{"K1-000001"}})
	require.Equal(t, "double-settlement", got.Kind)
	require.Equal(t, []string{a.String()}, got.Lines)
	require.Equal(t, []caseReceipt{{r.String(), "K1-000001"}}, got.Receipts)
	require.NotEmpty(t, got.Detail)
	require.Equal(t, got.ID, showCase(book.Case{Kind: book.CaseDouble, Objects: []crdt.ObjectID{a}, Receipts: []crdt.ObjectID{r}}).ID)
	require.NotEqual(t, got.ID, showCase(book.Case{Kind: book.CaseDouble, Objects: []crdt.ObjectID{a}, Receipts: []crdt.ObjectID{r, a}}).ID)
	got = showCase(book.Case{Kind: book.CaseOrphan, Tab: r, Objects: []crdt.ObjectID{a}})
	require.Equal(t, "orphan-payment", got.Kind)
	require.Equal(t, []string{r.String()}, got.Tabs)
	require.Equal(t, []string{a.String()}, got.Objects)
	require.Empty(t, got.Lines)
	require.Equal(t, "new", showCase(book.Case{Kind: "new"}).Kind)
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	require.True(t, healthOf(node.Status{Disk: &state.Report{Level: state.NoNewTabs}}, nil).OK, "open tabs can be closed")
	require.True(t, healthOf(node.Status{}, nil).OK, "where free space is not known")
	for code, h := range map[string]health{
		"stopping": healthOf(node.Status{}, engine.ErrStopped), "store": healthOf(node.Status{}, errors.New("secret")),
		"doubt": healthOf(node.Status{Doubt: "secret"}, nil), "disk-full": healthOf(node.Status{Disk: &state.Report{Level: state.Closed}}, nil),
	} {
		require.False(t, h.OK)
		require.Len(t, h.Problems, 1)
		require.Equal(t, code, h.Problems[0].Code)
		require.NotContains(t, h.Problems[0].Text, "secret")
	}
}

func TestPeersAreShown(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	got := showStatus(node.Status{Receipts: 7, Peers: []node.PeerStatus{{Till: crdt.TillID{1}, Name: "Garten", Linked: true, EqualAt: at}}})
	require.EqualValues(t, 7, got.Store.Receipts)
	require.Equal(t, []peer{{Till: crdt.TillID{1}.String(), Name: "Garten", Linked: true, EqualAt: "2026-11-21T12:00:00.000Z"}}, got.Peers)
}
