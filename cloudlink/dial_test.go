package cloudlink_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

var (
	cloudKey, tillKey = key(1), key(2)
	cloudID, tillID   = crdt.TillIDOf(cloudKey[32:]), crdt.TillIDOf(tillKey[32:])
	shopID            = crdt.ShopID{1}
)

// takesUplinks is a handler whose sessions run serve; host is told once the server listens.
type takesUplinks struct {
	*accept.Handler
	host   string
	admit  func(accept.Caller) error
	serve  func(ctx context.Context, conn engine.Conn) error
	caller accept.Caller // the last; read after it was welcomed
}

func newTakesUplinks(t *testing.T) *takesUplinks {
	c := &takesUplinks{
		admit: func(accept.Caller) error { return nil },
		serve: func(ctx context.Context, conn engine.Conn) error {
			defer context.AfterFunc(ctx, func() { assert.NoError(t, conn.Close()) })()
			_, err := io.Copy(conn, conn)
			return err
		},
	}
	c.Handler = accept.New(accept.Config{
		Key: cloudKey, Mine: func(h string) bool { return h == c.host }, Log: slog.New(slog.DiscardHandler),
		Admit: func(_ context.Context, caller accept.Caller) (accept.Admission, error) {
			c.caller = caller
			return accept.Admission{Welcome: greeting.Welcome{Session: 7}, Serve: c.serve}, c.admit(caller)
		},
	})
	t.Cleanup(c.Handler.Close)
	return c
}

// at serves it below a path and returns the coupling.
func (c *takesUplinks) at(server *httptest.Server) cloudlink.Coupling {
	u, err := url.Parse(server.URL)
	if err != nil {
		panic(err) // httptest makes no other
	}
	c.host = u.Host
	return cloudlink.Coupling{Cloud: cloudID, Base: server.URL}
}

func dialer(t *testing.T, change func(*cloudlink.DialerConfig)) *cloudlink.Dialer {
	cfg := cloudlink.DialerConfig{
		Shop: shopID, Key: tillKey, Program: "test 1", Networked: func() bool { return true }, Patience: 5 * time.Second,
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
	if change != nil {
		change(&cfg)
	}
	d, err := cloudlink.NewDialer(cfg)
	require.NoError(t, err)
	return d
}

// echoes sees that bytes come back over a connection, and ends it.
func echoes(t *testing.T, conn *cloudlink.Connection, err error) {
	t.Helper()
	require.NoError(t, err)
	_, err = conn.Conn.Write([]byte("hello"))
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(conn.Conn, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.NoError(t, conn.Conn.Close())
}

func TestDial(t *testing.T) {
	c := newTakesUplinks(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/below"+socket.Path, r.URL.Path)
		if r.Header.Get("Upgrade") != "" {
			assert.Equal(t, shopID.String(), r.Header.Get(socket.ShopHeader))
		}
		c.ServeHTTP(w, r)
	}))
	defer server.Close()
	to := c.at(server)
	to.Base += "/below/"
	d := dialer(t, nil)
	require.NoError(t, d.Probe(t.Context(), to))
	conn, err := d.Dial(t.Context(), to)
	require.NoError(t, err)
	require.EqualValues(t, 7, conn.Welcome.Session)
	require.Equal(t, cloudID, conn.Conn.Peer)
	require.InDelta(t, time.Now().UnixMilli(), conn.Welcome.TimeMS, 60_000)
	require.Equal(t, tillID, c.caller.Till)
	require.Equal(t, shopID, c.caller.Shop)
	require.Equal(t, "test 1", c.caller.Program)
	require.False(t, conn.Conn.Compress(), "an idle one has no memory for it")
	echoes(t, conn, err)
}

func TestDialOverTLS(t *testing.T) {
	c := newTakesUplinks(t)
	server := httptest.NewTLSServer(c)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	to := c.at(server)
	_, err := dialer(t, nil).Dial(t.Context(), to)
	require.Equal(t, cloudlink.Untrusted, cloudlink.FailureOf(err).Cause)
	require.Equal(t, cloudlink.Untrusted, cloudlink.FailureOf(dialer(t, nil).Probe(t.Context(), to)).Cause)

	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	d := dialer(t, func(cfg *cloudlink.DialerConfig) { cfg.Roots = own })
	require.NoError(t, d.Probe(t.Context(), to))
	conn, err := d.Dial(t.Context(), to)
	echoes(t, conn, err)
	_, err = cloudlink.NewDialer(cloudlink.DialerConfig{Roots: []byte("none")})
	require.ErrorContains(t, err, "PEM")

	// Through a proxy, and through one that refuses.
	refuse := false
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		pass(t, w, r)
	}))
	defer proxy.Close()
	d = dialer(t, func(cfg *cloudlink.DialerConfig) {
		cfg.Roots = own
		cfg.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	})
	conn, err = d.Dial(t.Context(), to)
	echoes(t, conn, err)
	refuse = true
	_, err = d.Dial(t.Context(), to)
	require.Equal(t, cloudlink.ProxyFails, cloudlink.FailureOf(err).Cause, "%v", err)
	proxy.Close()
	_, err = d.Dial(t.Context(), to)
	require.Equal(t, cloudlink.ProxyFails, cloudlink.FailureOf(err).Cause, "%v", err)
}

// pass is a proxy that connects.
func pass(t *testing.T, w http.ResponseWriter, r *http.Request) {
	assert.Equal(t, http.MethodConnect, r.Method)
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if !assert.NoError(t, err) {
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if !assert.NoError(t, err) {
		return
	}
	_, err = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	assert.NoError(t, err)
	var both sync.WaitGroup
	carry := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from) // either side may end it in any way
		_, _ = here.Close(), there.Close()
	}
	both.Go(func() { carry(there, buffered) })
	both.Go(func() { carry(here, there) })
	both.Wait()
}

func TestWhyNothingAnswers(t *testing.T) {
	fails := func(err error) func(*cloudlink.DialerConfig) {
		return func(cfg *cloudlink.DialerConfig) {
			cfg.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		}
	}
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		name   string
		change func(*cloudlink.DialerConfig)
		want   cloudlink.Cause
	}{
		{"no such name", fails(op(&net.DNSError{Err: "no such host", IsNotFound: true})), cloudlink.NoInternet},
		{"no route", fails(op(syscall.ENETUNREACH)), cloudlink.NoInternet},
		{"no network", func(cfg *cloudlink.DialerConfig) {
			fails(op(syscall.ENETUNREACH))(cfg)
			cfg.Networked = func() bool { return false }
		}, cloudlink.NoNetwork},
		{"refused", fails(op(syscall.ECONNREFUSED)), cloudlink.ServerDown},
		{"reset", fails(op(syscall.ECONNRESET)), cloudlink.ServerDown},
		{"too slow", fails(op(context.DeadlineExceeded)), cloudlink.ServerDown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := dialer(t, test.change)
			_, err := d.Dial(t.Context(), home)
			require.Equal(t, test.want, cloudlink.FailureOf(err).Cause, "%v", err)
			require.Equal(t, test.want, cloudlink.FailureOf(d.Probe(t.Context(), home)).Cause)
		})
	}
	_, err := dialer(t, nil).Dial(t.Context(), cloudlink.Coupling{Base: "http://cloud.example"})
	require.Equal(t, cloudlink.BadAddress, cloudlink.FailureOf(err).Cause)
	require.ErrorIs(t, err, cloudlink.ErrBase)
	require.Equal(t, cloudlink.BadAddress, cloudlink.FailureOf(dialer(t, nil).Probe(t.Context(), cloudlink.Coupling{})).Cause)
}

func TestSomethingElseAnswers(t *testing.T) {
	answers := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "<html>sign in to use this network")
		}
	}
	says := func(kind websocket.MessageType, b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{socket.Protocol}})
			if !assert.NoError(t, err) {
				return
			}
			defer func() { _ = conn.CloseNow() }() // the till may have closed it
			if assert.NoError(t, conn.Write(r.Context(), kind, b)) {
				_, _, _ = conn.Read(r.Context()) // until it ends
			}
		}
	}
	challenge := func(k ed25519.PrivateKey) []byte { return greeting.Open(k, greeting.Nonce{1}, 0).Challenge() }
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    cloudlink.Cause
		retry   time.Duration
	}{
		{"a page", answers(200), cloudlink.Intercepted, 0},
		{"another page", answers(302, "Location", "http://portal.example/"), cloudlink.Intercepted, 0},
		{"nothing there", answers(404), cloudlink.Intercepted, 0},
		{"a later generation", answers(400, "Sec-WebSocket-Protocol", "tillmesh.2"), cloudlink.Cause(greeting.VersionTooOld), 0},
		{"an earlier generation", answers(426, "Sec-WebSocket-Protocol", "tillmesh.0"), cloudlink.Cause(greeting.VersionTooNew), 0},
		{"no generation", answers(400, "Sec-WebSocket-Protocol", "tillmesh.x"), cloudlink.Intercepted, 0},
		{"another protocol", answers(400, "Sec-WebSocket-Protocol", "chat.2"), cloudlink.Intercepted, 0},
		{"proxy", answers(407), cloudlink.ProxyFails, 0},
		{"error", answers(500), cloudlink.ServerDown, 0},
		{"away", answers(503, "Retry-After", "30"), cloudlink.ServerDown, 30 * time.Second},
		{"too many", answers(429, "Retry-After", "999999999"), cloudlink.Cause(greeting.Busy), 10 * time.Minute},
		{"another socket", func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if assert.NoError(t, err) {
				_ = conn.CloseNow() // the till may have closed it
			}
		}, cloudlink.Intercepted, 0},
		{"text", says(websocket.MessageText, []byte("hello")), cloudlink.Intercepted, 0},
		{"noise", says(websocket.MessageBinary, []byte("hello")), cloudlink.Intercepted, 0},
		{"a flood", says(websocket.MessageBinary, make([]byte, greeting.MaxMessage+1)), cloudlink.Intercepted, 0},
		{"another cloud", says(websocket.MessageBinary, challenge(key(8))), cloudlink.OtherCloud, 0},
		{"unsigned", says(websocket.MessageBinary, greeting.Open(cloudKey, greeting.Nonce{}, 0).Refuse(greeting.Refuse(greeting.Revoked))), cloudlink.ServerDown, 0},
		{"maintenance", says(websocket.MessageBinary, greeting.Open(cloudKey, greeting.Nonce{}, 0).Refuse(&greeting.Refusal{Code: greeting.Maintenance, Retry: time.Minute})), cloudlink.Cause(greeting.Maintenance), time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			_, err := dialer(t, nil).Dial(t.Context(), cloudlink.Coupling{Cloud: cloudID, Base: server.URL})
			f := cloudlink.FailureOf(err)
			require.Equal(t, test.want, f.Cause, "%v", err)
			require.Equal(t, test.retry, f.Retry)
		})
	}
	plain := httptest.NewServer(answers(200))
	defer plain.Close()
	_, err := dialer(t, nil).Dial(t.Context(), cloudlink.Coupling{Base: "https" + strings.TrimPrefix(plain.URL, "http")})
	require.Equal(t, cloudlink.Intercepted, cloudlink.FailureOf(err).Cause, "%v", err)
	require.Equal(t, cloudlink.Intercepted, cloudlink.FailureOf(dialer(t, nil).Probe(t.Context(), cloudlink.Coupling{Base: plain.URL})).Cause)
}

// A program of another generation learns which one this cloud is of; one that knows several is let in.
func TestWhatIsOfferedToTheCloud(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := socket.Accept(w, r, socket.Limits{}); err == nil {
			_ = s.Close() // the other side may have closed it
		}
	}))
	defer server.Close()
	for offered, want := range map[string]int{"tillmesh.2": 400, "tillmesh.0, chat": 400, "": 400, "tillmesh.2, tillmesh.1": 101, "tillmesh.1": 101} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		if offered != "" {
			request.Header.Set("Sec-WebSocket-Protocol", offered)
		}
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode, offered)
		require.Equal(t, socket.Protocol, response.Header.Get("Sec-WebSocket-Protocol"), offered)
		require.Zero(t, socket.Compare(response), "of the same generation as this program")
	}
}

func TestRefusalsOfTheCloud(t *testing.T) {
	c := newTakesUplinks(t)
	server := httptest.NewServer(c)
	defer server.Close()
	to := c.at(server)
	for _, code := range []greeting.Code{greeting.NotCoupled, greeting.WrongAccount, greeting.Revoked, greeting.Retired, greeting.VersionTooOld, greeting.UnknownKey, greeting.Full} {
		c.admit = func(accept.Caller) error {
			return &greeting.Refusal{Code: code, Text: "so it is", SinceMS: 1795219200123}
		}
		_, err := dialer(t, nil).Dial(t.Context(), to)
		f := cloudlink.FailureOf(err)
		require.Equal(t, cloudlink.Cause(code), f.Cause)
		require.Equal(t, "so it is", f.Text)
		require.EqualValues(t, 1795219200123, f.Since.UnixMilli())
	}
	c.host = "another.example"
	_, err := dialer(t, nil).Dial(t.Context(), to)
	require.Equal(t, cloudlink.Cause(greeting.BadProof), cloudlink.FailureOf(err).Cause)
}

func TestCallIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	to := cloudlink.Coupling{Cloud: cloudID, Base: "http://" + l.Addr().String()} // takes connections and says nothing
	began := time.Now()
	_, err = dialer(t, func(cfg *cloudlink.DialerConfig) { cfg.Patience = 200 * time.Millisecond }).Dial(t.Context(), to)
	require.Equal(t, cloudlink.ServerDown, cloudlink.FailureOf(err).Cause)
	require.Less(t, time.Since(began), 4*time.Second)

	// It answers the upgrade, and then says nothing.
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{socket.Protocol}})
		if assert.NoError(t, err) {
			_, _, err = conn.Read(r.Context())
			assert.Error(t, err)
		}
	}))
	defer mute.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = dialer(t, nil).Dial(ctx, cloudlink.Coupling{Cloud: cloudID, Base: mute.URL})
	require.Equal(t, cloudlink.ServerDown, cloudlink.FailureOf(err).Cause)
	require.ErrorIs(t, err, context.Canceled)
}

func TestParseBase(t *testing.T) {
	for in, want := range map[string]string{
		"https://Cloud.Example/": "https://cloud.example", "https://cloud.example:444/shop": "https://cloud.example:444/shop",
		"http://127.0.0.1:8490": "http://127.0.0.1:8490", " http://localhost:1 ": "http://localhost:1", "http://[::1]:8490": "http://[::1]:8490",
	} {
		u, err := cloudlink.ParseBase(in)
		require.NoError(t, err, in)
		require.Equal(t, want, u.String())
	}
	for _, in := range []string{"", "cloud.example", "ftp://cloud.example", "http://cloud.example", "http://127.0.0.1.evil.example", "https://",
		"https://a@cloud.example", "https://cloud.example?x", "https://cloud.example#x", "http://0.0.0.0:8490", "https://" + strings.Repeat("a", 300), "https://%zz", "https://käse.example", "http://[::1%25\x82]"} {
		_, err := cloudlink.ParseBase(in)
		require.ErrorIs(t, err, cloudlink.ErrBase, in)
	}
}

func FuzzParseBase(f *testing.F) {
	f.Add("https://Cloud.Example:8490/x/")
	f.Add("http://[::1%25eth0]/")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := cloudlink.ParseBase(s)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(u.Host), greeting.MaxAudience)
		require.Equal(t, greeting.Audience(u.Host), u.Host)
		again, err := cloudlink.ParseBase(u.String())
		require.NoError(t, err, u.String())
		require.Equal(t, u.Host, again.Host)
	})
}
