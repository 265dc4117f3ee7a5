package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

const articlePath = "/articles/aaaqeayeaudaocajbifqydiob4"

func TestAccountsOverHTTP(t *testing.T) {
	b := small(t)
	const account = "/api/v1/accounts"
	rules := b.ok(200, "POST", "/api/v1/password-check", "", `{"password":"abc"}`)
	require.Equal(t, false, rules["ok"])
	require.Len(t, rules.list("rules"), 7)
	refused := b.refused(422, "password-rules", "POST", account, "", `{"name":"anna@shop.example","password":"abc"}`)
	require.Len(t, refused.list("rules"), 7)
	b.refused(422, "account-name", "POST", account, "", `{"name":"anna","password":"`+password+`"}`)
	token := b.owner("anna@shop.example")
	b.refused(409, "account-name-taken", "POST", account, "", `{"name":"ANNA@shop.example","password":"`+password+`"}`)
	b.refused(403, "sign-in", "POST", "/api/v1/sessions", "", `{"name":"anna@shop.example","password":"x","label":"x"}`)

	other := b.signIn("anna@shop.example")
	b.refused(403, "sign-in", "PUT", "/api/v1/account/password", token, `{"present":"x","next":"Vier.Birnen8im!Korb"}`)
	b.ok(204, "PUT", "/api/v1/account/password", token, `{"present":"`+password+`","next":"Vier.Birnen8im!Korb"}`)
	b.refused(401, "unauthorized", "GET", "/api/v1/account", other, "")
	list := b.ok(200, "GET", "/api/v1/sessions", token, "").list("items")
	require.Len(t, list, 1)
	require.Equal(t, true, list[0]["this"])
	page := b.ok(200, "GET", "/api/v1/account/acts?limit=2", token, "")
	require.Len(t, page.list("items"), 2)
	rest := b.ok(200, "GET", "/api/v1/account/acts?limit=2&after="+page.text("next"), token, "")
	require.NotEmpty(t, rest.list("items"))
	require.NotEqual(t, page.list("items")[0], rest.list("items")[0])
	b.refused(422, "invalid", "GET", "/api/v1/account/acts?after=x", token, "")
	b.ok(204, "DELETE", "/api/v1/session", token, "")
	b.refused(401, "unauthorized", "GET", "/api/v1/account", token, "")
}

func TestTooManyAttemptsSayHowLong(t *testing.T) {
	b := small(t)
	for range 6 {
		b.refused(403, "sign-in", "POST", "/api/v1/sessions", "", `{"name":"anna@shop.example","password":"x","label":"x"}`)
	}
	b.pass(time.Second + time.Millisecond)
	b.refused(403, "sign-in", "POST", "/api/v1/sessions", "", `{"name":"anna@shop.example","password":"x","label":"x"}`)
	w := b.do("POST", "/api/v1/sessions", "", `{"name":"anna@shop.example","password":"x","label":"x"}`)
	refusal(t, w, 429, "too-many-attempts")
	require.Equal(t, "2", w.Header().Get("Retry-After"))
}

func TestCouplingOverHTTP(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	require.NotEmpty(t, b.ok(200, "GET", "/api/v1/coupling/terms", "", "").list("access"))
	code := b.ok(201, "POST", "/api/v1/codes", token, `{"till_name":"Kasse 1"}`).text("code")
	require.Regexp(t, `^[0-9A-Z]{4}-[0-9A-Z]{4}$`, code)
	p := b.ok(200, "POST", "/api/v1/coupling/prepare", "", m.prepare(code))
	require.Equal(t, "anna@shop.example", p.text("name"))
	require.Equal(t, "new", p.text("shop"))
	require.NotEmpty(t, p.in("terms").list("access"))
	ask := m.confirm(t, code, p)
	b.refused(409, "not-confirmed", "POST", "/api/v1/couplings", "", strings.Replace(ask, `"confirmed":true`, `"confirmed":false`, 1))
	require.Empty(t, b.ok(200, "GET", "/api/v1/shops", token, "").list("items"))
	b.refused(422, "invalid", "POST", "/api/v1/couplings", token, ask) // a session and a code
	got := b.ok(201, "POST", "/api/v1/couplings", "", ask, "Idempotency-Key", "k")
	require.Equal(t, true, got["first"])
	// The answer was lost: the same request gives it again, although the code is used up.
	require.Equal(t, got, b.ok(201, "POST", "/api/v1/couplings", "", ask, "Idempotency-Key", "k"))
	b.refused(403, "coupling-code", "POST", "/api/v1/couplings", "", ask)
	require.Equal(t, m.shop.String(), b.ok(200, "GET", "/api/v1/shops", token, "").list("items")[0].text("id"))
	device := b.ok(200, "POST", "/api/v1/shops/"+m.shop.String()+"/devices/"+m.id.String()+"/revoke", token, `{"why":"gestohlen"}`)
	require.NotEmpty(t, device.text("revoked"))
	r := b.refused(403, "device-revoked", "POST", "/api/v1/coupling/prepare", token, m.prepare(""))
	require.Equal(t, device.text("revoked"), r.text("since"))

	bela := b.owner("bela@shop.example")
	b.refused(409, "wrong-account", "POST", "/api/v1/coupling/prepare", bela, m.prepare(""))
}

func TestArticlesOverHTTP(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	root := "/api/v1/shops/" + m.shop.String()
	b.refused(404, "not-found", "GET", root+articlePath, token, "")
	got := b.ok(200, "PUT", root+articlePath, token, `{"names":{"de":"Espresso"},"plu":"12","prices":[{"from":"2026-01-01","price":340}]}`)
	require.Equal(t, "EUR", got.list("prices")[0].text("currency"))
	require.Len(t, got.in("arrived")["on"], 2)
	require.Len(t, got.in("arrived")["missing"], 1)
	got = b.ok(200, "PUT", root+articlePath, token, `{"barcodes":["4001234567890"]}`)
	require.Equal(t, "12", got.text("plu"), "what is left out stays")
	require.Len(t, b.ok(200, "GET", root+"/articles", token, "").list("items"), 1)
	b.refused(422, "invalid", "PUT", root+articlePath, token, `{"prices":[{"from":"2026-01-01"},{"from":"2026-01-01"}]}`)
	b.refused(422, "invalid", "PUT", root+articlePath, token, `{"Names":{"de":"x"}}`)
	b.refused(422, "invalid", "PUT", root+articlePath, token, `{"id":"mxw3ydbzzkxdm5sjlbhrtzhxmu"}`)
	b.fake.fails = fmt.Errorf("price: %w", catalog.ErrInvalid)
	b.refused(422, "invalid", "PUT", root+articlePath, token, `{"names":{"de":"x"}}`)
	b.fake.fails = fmt.Errorf("dial tcp 10.0.0.7:5432: %w", rows.ErrUnreachable)
	r := b.refused(503, "database-down", "GET", root+articlePath, token, "")
	require.NotContains(t, r.text("detail"), "10.0.0.7")
}

func TestRequestsGoToTheServerThatHoldsTheShop(t *testing.T) {
	m := founder(t, 1)
	var passed []string
	b := small(t, func(o *Options) {
		o.Seats = seats{m.shop, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			passed = append(passed, r.Method+" "+r.URL.Path+" "+string(body))
			w.WriteHeader(http.StatusTeapot)
		})}
	})
	token := b.owner("anna@shop.example")
	b.couple(token, m)
	path := "/api/v1/shops/" + m.shop.String() + articlePath
	require.Equal(t, http.StatusTeapot, b.do("PUT", path, token, `{"names":{"de":"x"}}`).Code)
	require.Equal(t, []string{"PUT " + path + ` {"names":{"de":"x"}}`}, passed)
	b.ok(200, "GET", "/api/v1/shops/"+m.shop.String(), token, "")
	bela := b.owner("bela@shop.example")
	b.refused(404, "unknown-shop", "PUT", path, bela, `{"names":{"de":"x"}}`)
	require.Len(t, passed, 1, "nothing of another account is passed on")
}

func TestTheArchiveOverHTTP(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	root := "/api/v1/shops/" + m.shop.String()
	for _, kind := range []string{"receipts", "closings"} {
		list := b.ok(200, "GET", root+"/"+kind+"?from=2026-01-01&to=2026-12-31", token, "")
		require.Equal(t, "more", list.text("next"))
		one := b.ok(200, "GET", root+"/"+kind+"/K1-000001", token, "")
		require.Equal(t, list.list("items")[0], one.in("entry"))
		require.NotEmpty(t, one.text("canonical"))
		require.Contains(t, one.in("document").text("note"), marker)
		require.Equal(t, "chain", one.list("findings")[0].text("code"))
		b.refused(404, "not-found", "GET", root+"/"+kind+"/K1-000002", token, "")
		b.refused(422, "invalid", "GET", root+"/"+kind+"?after=x", token, "")
		b.refused(422, "invalid", "GET", root+"/"+kind+"?from=2026-02-30", token, "")
		b.refused(422, "invalid", "GET", root+"/"+kind+"?from=2026-02-03&to=2026-02-01", token, "")
	}
	require.EqualValues(t, 6, b.ok(200, "GET", "/api/v1/archive/checkpoint", token, "")["size"])
	b.ok(200, "GET", "/api/v1/archive/inclusion?leaf=5&size=6", token, "")
	b.refused(404, "not-found", "GET", "/api/v1/archive/inclusion?leaf=5&size=7", token, "")
	b.refused(422, "invalid", "GET", "/api/v1/archive/inclusion?leaf=6&size=6", token, "")
	require.Len(t, b.ok(200, "GET", "/api/v1/archive/consistency?from=1&to=6", token, "")["hashes"], 2)
	b.refused(422, "invalid", "GET", "/api/v1/archive/consistency?from=2&to=1", token, "")
	b.ok(200, "GET", root+"/completeness", token, "")
	made := b.ok(202, "POST", "/api/v1/archive/exports", token, `{"shop":"`+m.shop.String()+`"}`)
	file := b.ok(200, "GET", "/api/v1/archive/exports/"+made.text("id"), token, "").text("file")
	w := b.do("GET", file, token, "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "zip", w.Body.String())
	require.Equal(t, "application/zip", w.Header().Get("Content-Type"))
	b.refused(404, "not-found", "GET", strings.Replace(file, made.text("id"), m.shop.String(), 1), token, "")
	hold := b.ok(201, "POST", "/api/v1/archive/holds", token, `{"reason":"Betriebsprüfung"}`)
	require.Equal(t, "session Laptop", hold.text("by"))
	b.ok(200, "POST", "/api/v1/archive/holds/"+hold.text("id")+"/release", token, `{"why":"beendet"}`)
	require.Len(t, b.ok(200, "GET", "/api/v1/archive/holds", token, "").list("items"), 1)
}

func TestBadRequests(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	b.refused(404, "not-found", "GET", "/api/v1/nothing", token, "")
	b.refused(401, "unauthorized", "GET", "/api/v1/nothing", "", "")
	w := b.do("PATCH", "/api/v1/shops", token, "")
	refusal(t, w, 405, "method-not-allowed")
	require.Contains(t, w.Header().Get("Allow"), "GET")
	b.refused(413, "too-large", "POST", "/api/v1/keys", token, `{"name":"`+strings.Repeat("x", httpapi.MaxBody)+`"}`)
	b.refused(415, "content-type", "POST", "/api/v1/keys", token, `{}`, "Content-Type", "text/plain")
	b.refused(400, "malformed", "POST", "/api/v1/keys", token, "{\"name\":\"\xff\"}")
	b.refused(400, "malformed", "POST", "/api/v1/keys", token, `{"name":`)
	b.refused(422, "invalid", "POST", "/api/v1/keys", token, `{"name":"x","rights":["manage"]}`)
	b.refused(422, "invalid", "POST", "/api/v1/keys", token, `{"name":"x","rights":["read"],"more":1}`)
	b.refused(422, "invalid", "GET", "/api/v1/account/acts?limit=0", token, "")
	b.refused(422, "invalid", "GET", "/api/v1/shops?q=x", token, "")
	b.refused(404, "not-found", "DELETE", "/api/v1/keys/aaaqeayeaudaocajbifqydiob4", token, "")
	b.refused(422, "idempotency-key", "POST", "/api/v1/keys", token, `{"name":"x","rights":["read"]}`, "Idempotency-Key", strings.Repeat("x", 201))
	chunked := b.request("POST", "/api/v1/keys", token, `{}`)
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", httpapi.MaxBody+1))), -1
	out := httptest.NewRecorder()
	b.ServeHTTP(out, chunked)
	refusal(t, out, 413, "too-large")
}

func TestOriginsAndHeaders(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	for _, origin := range []string{"https://evil.example", "null", "http://cloud.example.evil", "http://cloud.example:81"} {
		b.refused(403, "foreign-origin", "GET", "/api/v1/shops", token, "", "Origin", origin)
		b.refused(403, "foreign-origin", "GET", "/api/v1/status", "", "", "Origin", origin)
	}
	w := b.do("GET", "/api/v1/shops", token, "", "Origin", "http://cloud.example")
	require.Equal(t, 200, w.Code)
	for _, h := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "Cache-Control", "Strict-Transport-Security"} {
		require.NotEmpty(t, w.Header().Get(h), h)
	}
	for name := range w.Header() {
		require.False(t, strings.HasPrefix(name, "Access-Control"), name)
	}
	require.Equal(t, 405, b.do("OPTIONS", "/api/v1/shops", token, "").Code)
}

func TestAPanicIsAnAnswerWithAnIDInTheLog(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	b.fake.panics = true
	r := b.refused(500, "internal", "GET", "/api/v1/archive/checkpoint", token, "")
	id := r.text("detail")[strings.Index(r.text("detail"), "(")+1 : len(r.text("detail"))-1]
	require.Regexp(t, `^[0-9a-f]{12}$`, id)
	require.Contains(t, b.logs.String(), id)
	require.Contains(t, b.logs.String(), "the fake breaks")
	require.NotContains(t, r.text("detail"), "fake")
	b.refused(500, "internal", "POST", "/api/v1/archive/holds", token, `{"reason":"x"}`, "Idempotency-Key", "k")
	b.fake.panics = false
	b.ok(201, "POST", "/api/v1/archive/holds", token, `{"reason":"x"}`, "Idempotency-Key", "k") // nobody waits for the one that broke
	b.fake.fails = errors.New("secret inside")
	r = b.refused(500, "internal", "GET", "/api/v1/archive/checkpoint", token, "")
	require.NotContains(t, r.text("detail"), "secret")
	require.Contains(t, b.logs.String(), "secret inside")
}

func TestTheLogHasNoPersonalData(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	b.ok(201, "POST", "/api/v1/codes", token, `{"till_name":"Kasse 1"}`)
	b.do("GET", "/api/v1/shops/"+m.shop.String()+"/receipts/K1-000001?after=more", token, "")
	b.do("POST", "/api/v1/sessions", "", `{"name":"anna@shop.example","password":"Wrong1!wrong","label":"x"}`)
	log := b.logs.String()
	require.Contains(t, log, "/api/v1/shops/{shop}/receipts/{id}")
	for _, no := range []string{"anna", password, "Wrong1", token[10:], "198.51.", m.shop.String(), m.id.String(), "K1-000001", "Kasse"} {
		require.NotContains(t, log, no)
	}
}

func TestClientsBehindProxies(t *testing.T) {
	b := small(t, func(o *Options) {
		o.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	})
	address := func(remote string, forwarded ...string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = forwarded
		return b.clientAddress(r).String()
	}
	require.Equal(t, "198.51.100.1", address("198.51.100.1:1", "203.0.113.9"), "no proxy: its header does not count")
	require.Equal(t, "203.0.113.9", address("10.1.1.1:1", "203.0.113.9"))
	require.Equal(t, "203.0.113.9", address("10.1.1.1:1", "1.2.3.4, 203.0.113.9"), "what the client wrote itself comes first")
	require.Equal(t, "203.0.113.9", address("127.0.0.1:1", "1.2.3.4", "203.0.113.9, 10.2.2.2"))
	require.Equal(t, "10.1.1.1", address("10.1.1.1:1", "junk"))
	require.Equal(t, "10.1.1.1", address("10.1.1.1:1"))
	require.Equal(t, "::", address("@"))
}

func TestStatusAndHealth(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	b := newBench(t, db)
	got := b.ok(200, "GET", "/api/v1/status", "", "")
	require.Equal(t, true, got["ok"])
	require.Equal(t, "1.2.3", got.text("version"))
	require.EqualValues(t, greeting.Oldest, got["protocol_oldest"])
	require.EqualValues(t, greeting.Newest, got["protocol_newest"])
	require.Empty(t, got.text("oldest_till"))
	require.Equal(t, "ok", got.text("database"))
	require.Equal(t, got.text("since"), got.text("database_since"))
	require.Empty(t, got.text("do"))
	require.Equal(t, []any{}, got["problems"])
	w := b.do("GET", "/status", "", "")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), "The cloud works")
	require.NotContains(t, w.Body.String(), "<script")
	b.ok(200, "GET", "/healthz", "", "")

	down := databasetest.Open(t, databasetest.SQLite(t))
	b = newBench(t, down)
	require.NoError(t, down.Close())
	got = b.ok(200, "GET", "/api/v1/status", "", "")
	require.Equal(t, false, got["ok"])
	require.Equal(t, "down", got.text("database"))
	w = b.do("GET", "/status", "", "")
	require.Equal(t, 503, w.Code)
	require.Contains(t, w.Body.String(), "Tills go on selling")
	require.Equal(t, 503, b.do("GET", "/healthz", "", "").Code)
}

func TestMetrics(t *testing.T) {
	extra := prometheus.NewGauge(prometheus.GaugeOpts{Name: "cloud_extra", Help: "Of another package."})
	b := small(t, func(o *Options) { o.Collectors = []prometheus.Collector{extra} })
	b.owner("anna@shop.example")
	b.refused(401, "unauthorized", "GET", "/metrics", "", "")
	b.refused(401, "unauthorized", "GET", "/metrics", "", "", "From", "127.0.0.1:1", "X-Forwarded-For", "198.51.100.1")
	w := b.do("GET", "/metrics", "", "", "From", "127.0.0.1:1")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `cloud_http_requests_total{route="POST /api/v1/sessions",status="2xx"} 1`)
	require.Contains(t, w.Body.String(), `cloud_password_hashes_total 2`)
	require.Contains(t, w.Body.String(), `cloud_extra 0`)
	b = small(t, func(o *Options) { o.Metrics = "m-token" })
	b.refused(401, "unauthorized", "GET", "/metrics", "", "", "From", "127.0.0.1:1")
	require.Equal(t, 200, b.do("GET", "/metrics", "m-token", "").Code)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	require.Error(t, err)
}

// A client that sends nothing more holds no slot, and the server says why it hangs up.
func TestSlowClients(t *testing.T) {
	b := small(t)
	b.bodyTime = 100 * time.Millisecond
	token := b.owner("anna@shop.example")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := b.HTTP()
	require.Positive(t, srv.ReadHeaderTimeout)
	require.Positive(t, srv.IdleTimeout)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	_, err = fmt.Fprintf(c, "POST /api/v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", token)
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "408 Request Timeout")
	require.Contains(t, string(answer), `"timeout"`)
	require.NoError(t, c.Close())
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

func TestRunSweepsAndEnds(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	b.ok(201, "POST", "/api/v1/keys", token, `{"name":"x","rights":["read"]}`, "Idempotency-Key", "k")
	b.pass(40 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	require.Eventually(t, func() bool { return b.rowsIn("replies")+b.rowsIn("sessions")+b.rowsIn("attempts") == 0 }, 10*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}

// The uplink checks by itself who asks, and may take the connection over.
func TestTheUplinkIsPassedOn(t *testing.T) {
	b := small(t, func(o *Options) {
		o.Uplink = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, rest, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			_, err = rest.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
			require.NoError(t, errors.Join(err, rest.Flush(), c.Close()))
		})
	})
	srv := httptest.NewServer(b)
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	_, err = fmt.Fprint(c, "GET /api/v1/uplink HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "101 Switching")
	require.Contains(t, string(answer), "hello")
	require.NoError(t, c.Close())
}
