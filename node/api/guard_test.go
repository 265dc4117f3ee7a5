package api

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

func TestHostNames(t *testing.T) {
	g := newGuard("secret", []string{"Kasse.Example", "till2."})
	for host, want := range map[string]bool{
		"127.0.0.1:8480": true, "127.0.0.1": true, "192.168.1.20:8480": true, "[::1]:8480": true, "[::1]": true, "::1": true,
		"[fe80::1%25eth0]:80": true, "localhost:8480": true, "LOCALHOST": true, "localhost.": true, "kasse.example:8480": true,
		"KASSE.EXAMPLE": true, "till2": true,
		"": false, ":8480": false, "evil.example": false, "evil.example:8480": false, "127.0.0.1.evil.example": false,
		"localhost.evil.example": false, "kasse.example.evil": false, "127.0.0.1@evil.example": false, "0x7f000001": false,
		"2130706433": false, "[evil]": false,
	} {
		require.Equal(t, want, g.hostKnown(host), "%q", host)
	}
}

func TestForeignRequestsAreRefused(t *testing.T) {
	b := newBench(t)
	b.refused(403, "foreign-origin", "GET", "/api/v1/status", "", "Host", "evil.example")
	b.refused(403, "foreign-origin", "GET", "/healthz", "", "Host", "evil.example:8480")
	b.ok(200, "GET", "/api/v1/status", "", "Host", "kasse.example:8480")
	b.ok(200, "GET", "/api/v1/status", "", "Origin", "http://127.0.0.1:8480")
	for _, origin := range []string{"http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1", "file://127.0.0.1:8480", "%zz"} {
		b.refused(403, "foreign-origin", "GET", "/api/v1/status", "", "Origin", origin)
	}
	r := b.request("GET", "/api/v1/status", "")
	r.Header["Origin"] = []string{"http://127.0.0.1:8480", "http://evil.example"}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	refusal(t, w, 403, "foreign-origin")
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))

	w = b.do("OPTIONS", "/api/v1/status", "", "Origin", "http://evil.example", "Authorization", "")
	refusal(t, w, 403, "foreign-origin")
}

func TestTheTokenIsAskedFor(t *testing.T) {
	b := newBench(t)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + b.till.Token(), b.till.Token(),
		"Bearer " + b.till.Token()[1:], "Bearer " + b.till.Token() + "0"} {
		w := b.do("GET", "/api/v1/status", "", "Authorization", header)
		refusal(t, w, 401, "unauthorized")
		require.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
	}
	b.ok(200, "GET", "/api/v1/status", "", "Authorization", "bearer "+b.till.Token())
	for _, path := range []string{"/metrics", "/api/v1/nothing", "/", "/api/v1/events"} {
		b.refused(401, "unauthorized", "GET", path, "", "Authorization", "")
	}
	b.refused(401, "unauthorized", "POST", "/healthz", "", "Authorization", "")
	for _, path := range []string{"/healthz", "/api", "/api/v1/openapi.json"} {
		require.Equal(t, 200, b.do("GET", path, "", "Authorization", "").Code, path)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/api/v1/status", "/api/v1/nothing", "/healthz", "/api", "/metrics"} {
		h := b.do("GET", path, "").Header()
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	b.refused(404, "not-found", "GET", "/api/v1/nothing", "")
	b.refused(404, "not-found", "GET", "/api/v2/status", "")
	w := b.do("DELETE", "/api/v1/status", "")
	refusal(t, w, 405, "method-not-allowed")
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	b.refused(405, "method-not-allowed", "PATCH", "/api/v1/articles/"+articleID, `{}`)
	b.refused(422, "invalid", "GET", "/api/v1/articles?limt=1", "")
	b.refused(422, "invalid", "GET", "/api/v1/articles?limit=0", "")
	b.refused(422, "invalid", "GET", "/api/v1/articles?limit=1001", "")
	b.refused(422, "invalid", "GET", "/api/v1/articles?limit=zwei", "")
	b.refused(422, "invalid", "GET", "/api/v1/articles?archived=maybe", "")
	b.refused(422, "invalid", "GET", "/api/v1/articles?after=xyz", "")
}

func TestBodies(t *testing.T) {
	b := newBench(t)
	path := "/api/v1/tabs"
	b.refused(415, "content-type", "POST", path, `{}`, "Content-Type", "text/plain")
	b.refused(415, "content-type", "POST", path, `{}`, "Content-Type", "")
	b.refused(415, "content-type", "POST", path, `{}`, "Content-Type", "application/x-www-form-urlencoded")
	b.ok(201, "POST", path, `{}`, "Content-Type", "application/json; charset=utf-8")
	b.ok(201, "POST", path, "", "Content-Type", "")
	b.refused(400, "malformed", "POST", path, `{"name":`)
	b.refused(400, "malformed", "POST", path, `{"name":"x"} {"name":"y"}`)
	b.refused(400, "malformed", "POST", path, "{\"name\":\"\xc3\x28\"}")
	b.refused(400, "malformed", "POST", path, strings.Repeat("[", 20000)+strings.Repeat("]", 20000))
	b.refused(422, "invalid", "POST", path, `"name"`)
	b.refused(422, "invalid", "POST", path, `{"name":"`+strings.Repeat("ä", 201)+`"}`)
	b.ok(201, "POST", path, `{"name":"`+strings.Repeat("ä", 200)+`"}`)
	b.refused(422, "invalid", "POST", path, `{"user":"`+strings.Repeat("x", 201)+`"}`)
	p := b.refused(422, "invalid", "POST", path, `{"name":7,"shared":"yes","colour":"red"}`)
	require.Len(t, p.list("errors"), 3)

	big := `{"name":"` + strings.Repeat("x", httpapi.MaxBody) + `"}`
	w := b.do("POST", path, big)
	refusal(t, w, 413, "too-large")
	require.Less(t, w.Body.Len(), 1000, "what was sent is not sent back")
	r := b.request("POST", path, big)
	r.ContentLength = -1 // as with chunks: the length is not known before
	w = httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	refusal(t, w, 413, "too-large")
	b.refused(400, "malformed", "PUT", "/api/v1/articles/"+articleID, "")
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	// A client that promises more than it sends gets an answer and nothing is done.
	b := newBench(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t, b), "http://"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = fmt.Fprintf(conn, "POST /api/v1/tabs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{}", b.till.Token())
	require.NoError(t, err)
	half, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, half.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 400, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, b.ok(200, "GET", "/api/v1/tabs", "").list("items"))
}

func TestTooManyAtOnce(t *testing.T) {
	b := newBench(t)
	s, ok := b.h.(*server)
	require.True(t, ok)
	for range maxRequests {
		s.room <- struct{}{}
	}
	w := b.do("GET", "/api/v1/status", "")
	refusal(t, w, 503, "busy")
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	for range maxRequests {
		<-s.room
	}
	b.ok(200, "GET", "/api/v1/status", "")
}

func TestAHandlerThatPanics(t *testing.T) {
	b := newBench(t)
	s, ok := b.h.(*server)
	require.True(t, ok)
	s.raw("GET /broken", route{}, func(http.ResponseWriter, *http.Request) { panic("a bug") })
	s.raw("GET /half", route{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic("a bug") })
	for _, r := range []string{"GET /broken", "GET /half"} {
		s.routes[r].seen = s.metrics.Route(r)
	}
	b.refused(500, "internal", "GET", "/broken", "")
	require.Contains(t, b.logs.String(), "a bug")
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { b.do("GET", "/half", "") })
	require.Empty(t, s.room, "slots are given back")
}

func TestAStoppedTillSaysSo(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	b.stop()
	w := b.do("POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`)
	refusal(t, w, 503, "stopping")
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}

func TestAWriteGoesOnWhenTheClientLeaves(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, b.request("POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`).WithContext(ctx))
	require.Equal(t, 201, w.Code, w.Body.String())
}
