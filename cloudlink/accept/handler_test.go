package accept_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	shop              = crdt.ShopID{3}
)

// cloud is a server on loopback whose sessions run serve.
type cloud struct {
	*accept.Handler
	server  *httptest.Server
	host    string
	entered atomic.Int64
	left    atomic.Int64
	ended   chan error
}

func newCloud(t *testing.T, cfg accept.Config, serve func(ctx context.Context, conn engine.Conn) error) *cloud {
	c := &cloud{ended: make(chan error, 100)}
	cfg.Key, cfg.Log = cloudKey, slog.New(slog.DiscardHandler)
	cfg.Mine = func(host string) bool { return host == c.host }
	if cfg.Admit == nil {
		cfg.Admit = func(context.Context, accept.Caller) (accept.Admission, error) {
			c.entered.Add(1)
			return accept.Admission{
				Welcome: greeting.Welcome{Replica: crdt.ReplicaID{4}, Session: 5},
				Left:    func() { c.left.Add(1) },
				Serve: func(ctx context.Context, conn engine.Conn) error {
					defer context.AfterFunc(ctx, func() { assert.NoError(t, conn.Close()) })()
					err := serve(ctx, conn)
					c.ended <- err
					return err
				},
			}, nil
		}
	}
	c.Handler = accept.New(cfg)
	mux := http.NewServeMux()
	mux.Handle("GET "+socket.Path, c.Handler)
	c.server = httptest.NewServer(mux)
	c.host = strings.TrimPrefix(c.server.URL, "http://")
	t.Cleanup(func() {
		c.Handler.Close()
		c.server.Close()
		require.Equal(t, c.entered.Load(), c.left.Load(), "who came in has left")
	})
	return c
}

func echo(_ context.Context, conn engine.Conn) error {
	_, err := io.Copy(conn, conn)
	return err
}

func (c *cloud) dial(t *testing.T, limits socket.Limits) *socket.Stream {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	s, _, err := socket.Dial(t.Context(), c.server.URL+socket.Path, client, nil, limits)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// prove answers the challenge and returns the proof.
func (c *cloud) prove(t *testing.T, s *socket.Stream, change func(*greeting.Self)) (*greeting.Answering, []byte) {
	challenge, err := s.Receive(greeting.MaxMessage, 5*time.Second)
	require.NoError(t, err)
	self := greeting.Self{Shop: shop, Key: tillKey, Cloud: crdt.TillIDOf(cloudKey[32:]), Audience: c.host, Program: "test"}
	if change != nil {
		change(&self)
	}
	a, proof, err := greeting.Answer(challenge, self)
	require.NoError(t, err)
	return a, proof
}

// greet ends the greeting, or returns why it did not end well.
func greet(t *testing.T, s *socket.Stream, a *greeting.Answering, proof []byte) error {
	require.NoError(t, s.Send(proof))
	end, err := s.Receive(greeting.MaxMessage, 5*time.Second)
	require.NoError(t, err)
	_, err = a.End(end)
	return err
}

func (c *cloud) enter(t *testing.T, limits socket.Limits) *socket.Stream {
	s := c.dial(t, limits)
	a, proof := c.prove(t, s, nil)
	require.NoError(t, greet(t, s, a, proof))
	return s
}

func (c *cloud) wait(t *testing.T) error {
	select {
	case err := <-c.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the session did not end")
		return nil
	}
}

func TestBytesArrive(t *testing.T) {
	c := newCloud(t, accept.Config{}, echo)
	s := c.enter(t, socket.Limits{})
	s.Keep()
	sent := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(sent)
	go func() {
		_, err := s.Write(sent)
		assert.NoError(t, err)
	}()
	got := make([]byte, len(sent))
	_, err := io.ReadFull(s, got)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(sent), sha256.Sum256(got))
	require.True(t, s.Pays())
	require.EqualValues(t, 1, c.Stats().Live)
	require.NoError(t, s.Close())
	require.NoError(t, c.wait(t))
	require.Eventually(t, func() bool { return c.Stats().BytesIn > uint64(len(sent)) && c.Stats().Live == 0 }, 5*time.Second, time.Millisecond)
}

func TestProofsThatAreRefused(t *testing.T) {
	c := newCloud(t, accept.Config{}, echo)
	s := c.dial(t, socket.Limits{})
	a, earlier := c.prove(t, s, nil)
	require.NoError(t, greet(t, s, a, earlier))

	refused := func(why string, proof func(s *socket.Stream) (*greeting.Answering, []byte)) {
		s := c.dial(t, socket.Limits{})
		a, b := proof(s)
		require.Error(t, greet(t, s, a, b), why)
	}
	refused("replayed", func(s *socket.Stream) (*greeting.Answering, []byte) {
		a, _ := c.prove(t, s, nil)
		return a, earlier
	})
	refused("changed", func(s *socket.Stream) (*greeting.Answering, []byte) {
		a, proof := c.prove(t, s, nil)
		proof[40] ^= 1
		return a, proof
	})
	refused("for another host", func(s *socket.Stream) (*greeting.Answering, []byte) {
		return c.prove(t, s, func(self *greeting.Self) { self.Audience = "evil.example" })
	})
	require.EqualValues(t, 1, c.entered.Load(), "nobody was asked about the others")
	require.EqualValues(t, 3, c.Stats().Refused[greeting.BadProof])
}

func TestRefusedTillIsToldWhy(t *testing.T) {
	var why error
	c := newCloud(t, accept.Config{Admit: func(context.Context, accept.Caller) (accept.Admission, error) {
		return accept.Admission{}, why
	}}, nil)
	for _, test := range []struct {
		why  error
		want greeting.Code
	}{
		{&greeting.Refusal{Code: greeting.Revoked, SinceMS: 9}, greeting.Revoked},
		{errors.New("the database is down"), greeting.Busy},
	} {
		why = test.why
		s := c.dial(t, socket.Limits{})
		a, proof := c.prove(t, s, nil)
		r := greeting.RefusalOf(greet(t, s, a, proof))
		require.NotNil(t, r)
		require.Equal(t, test.want, r.Code)
		require.True(t, r.Signed)
		require.NotContains(t, r.Text, "database", "that is nobody's business")
	}
}

func TestStrangers(t *testing.T) {
	c := newCloud(t, accept.Config{}, echo)
	get := func(header http.Header) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.URL+socket.Path, nil)
		require.NoError(t, err)
		request.Header = header
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	response := get(http.Header{})
	require.Equal(t, http.StatusUpgradeRequired, response.StatusCode)
	require.True(t, socket.IsCloud(response))
	require.Equal(t, http.StatusBadRequest, get(http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}).StatusCode)
	require.EqualValues(t, 2, c.Stats().Strangers)

	s := c.dial(t, socket.Limits{})
	require.NoError(t, s.Close())
	require.Eventually(t, func() bool { return c.Stats().Lost == 1 }, 5*time.Second, time.Millisecond, "it went away unproved")
	s = c.dial(t, socket.Limits{})
	_, err := s.Receive(greeting.MaxMessage, 5*time.Second)
	require.NoError(t, err)
	require.NoError(t, s.Send(make([]byte, greeting.MaxMessage+1)))
	require.Eventually(t, func() bool { return c.Stats().Lost == 2 }, 5*time.Second, time.Millisecond, "a message above the limit")
	require.Zero(t, c.entered.Load())
}

func TestPlacesAreBounded(t *testing.T) {
	c := newCloud(t, accept.Config{Greetings: 2, PerAddress: 2}, echo)
	one := c.dial(t, socket.Limits{})
	c.dial(t, socket.Limits{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, response, err := socket.Dial(t.Context(), c.server.URL+socket.Path, client, nil, socket.Limits{})
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.EqualValues(t, 1, c.Stats().Refused[greeting.Busy])
	a, proof := c.prove(t, one, nil)
	require.NoError(t, greet(t, one, a, proof))
	require.Eventually(t, func() bool { // who came in needs no place
		s, _, err := socket.Dial(t.Context(), c.server.URL+socket.Path, client, nil, socket.Limits{})
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
}

func TestNobodyComesInWhileClosed(t *testing.T) {
	c := newCloud(t, accept.Config{Closed: func() *greeting.Refusal { return greeting.Refuse(greeting.Maintenance) }}, echo)
	s := c.dial(t, socket.Limits{})
	first, err := s.Receive(greeting.MaxMessage, 5*time.Second)
	require.NoError(t, err)
	_, _, err = greeting.Answer(first, greeting.Self{Key: tillKey})
	require.Equal(t, greeting.Maintenance, greeting.RefusalOf(err).Code)

	open := newCloud(t, accept.Config{}, echo)
	live := open.enter(t, socket.Limits{})
	unproved := open.dial(t, socket.Limits{})
	open.Handler.Close()
	_, err = live.Read(make([]byte, 1))
	require.Error(t, err)
	for err = nil; err == nil; {
		_, err = unproved.Receive(greeting.MaxMessage, 5*time.Second)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, response, err := socket.Dial(t.Context(), open.server.URL+socket.Path, client, nil, socket.Limits{})
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

// raw is a client that does what ours never does. It has passed the greeting.
func (c *cloud) raw(t *testing.T) (*websocket.Conn, *net.TCPConn) {
	var tcp *net.TCPConn
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			tcp = conn.(*net.TCPConn)
			err = tcp.SetReadBuffer(4 << 10)
		}
		return conn, err
	}}}
	conn, _, err := websocket.Dial(t.Context(), c.server.URL+socket.Path, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{socket.Protocol}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	_, challenge, err := conn.Read(t.Context())
	require.NoError(t, err)
	a, proof, err := greeting.Answer(challenge, greeting.Self{Shop: shop, Key: tillKey, Cloud: crdt.TillIDOf(cloudKey[32:]), Audience: c.host})
	require.NoError(t, err)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, proof))
	_, end, err := conn.Read(t.Context())
	require.NoError(t, err)
	_, err = a.End(end)
	require.NoError(t, err)
	return conn, tcp
}

func TestHugeMessageEndsTheSession(t *testing.T) {
	c := newCloud(t, accept.Config{}, func(_ context.Context, conn engine.Conn) error {
		_, err := io.Copy(io.Discard, conn)
		return err
	})
	conn, _ := c.raw(t)
	_ = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, socket.MaxMessage+1)) // it may be cut while it writes
	require.ErrorIs(t, c.wait(t), socket.ErrTooBig)
	require.Eventually(t, func() bool { return c.Stats().TooBig == 1 }, 5*time.Second, time.Millisecond)

	conn, _ = c.raw(t)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	require.ErrorIs(t, c.wait(t), socket.ErrText)
}

func TestSlowReaderIsCut(t *testing.T) {
	c := newCloud(t, accept.Config{Limits: socket.Limits{Write: 300 * time.Millisecond}}, func(_ context.Context, conn engine.Conn) error {
		b := make([]byte, 64<<10)
		for {
			if _, err := conn.Write(b); err != nil {
				return err
			}
		}
	})
	c.raw(t)
	require.ErrorIs(t, c.wait(t), socket.ErrSlow)
	require.Eventually(t, func() bool { return c.Stats().Slow == 1 }, 5*time.Second, time.Millisecond)
}

func TestSilentTillIsCut(t *testing.T) {
	limits := socket.Limits{Silence: 300 * time.Millisecond, Beat: 100 * time.Millisecond}
	c := newCloud(t, accept.Config{Limits: limits}, echo)
	c.raw(t)
	require.ErrorIs(t, c.wait(t), socket.ErrSilent)

	s := c.enter(t, limits)
	s.Keep()
	quiet := time.After(600 * time.Millisecond)
	select {
	case err := <-c.ended:
		t.Fatalf("a till that lives was cut: %v", err)
	case <-quiet:
	}
	_, err := s.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(s, make([]byte, 1))
	require.NoError(t, err, "empty messages are no bytes")
}

func TestLineThatIsCutInTheMiddle(t *testing.T) {
	c := newCloud(t, accept.Config{}, func(_ context.Context, conn engine.Conn) error {
		_, err := io.Copy(io.Discard, conn)
		return err
	})
	_, tcp := c.raw(t)
	// A frame of 1000 masked bytes, of which 10 come.
	_, err := tcp.Write(append([]byte{0x82, 0xfe, 0x03, 0xe8, 1, 2, 3, 4}, make([]byte, 10)...))
	require.NoError(t, err)
	require.NoError(t, tcp.SetLinger(0))
	require.NoError(t, tcp.Close())
	require.Error(t, c.wait(t))
	require.Eventually(t, func() bool { return c.left.Load() == 1 }, 5*time.Second, time.Millisecond)
}

// throttled lets 1 KiB out every 10 ms.
type throttled struct {
	net.Listener
	net.Conn
}

func (l throttled) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return throttled{Conn: conn}, err
}

func (l throttled) Addr() net.Addr { return l.Listener.Addr() }

func (l throttled) Close() error {
	if l.Conn != nil {
		return l.Conn.Close()
	}
	return l.Listener.Close()
}

func (l throttled) Write(b []byte) (int, error) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for done := 0; done < len(b); {
		<-pace.C
		n, err := l.Conn.Write(b[done:min(done+1024, len(b))])
		if done += n; err != nil {
			return done, err
		}
	}
	return len(b), nil
}

func TestSlowLineThatMovesIsNotCut(t *testing.T) {
	limits := socket.Limits{Write: 600 * time.Millisecond}
	took := time.Duration(0)
	c := newCloud(t, accept.Config{Limits: limits}, func(_ context.Context, conn engine.Conn) error {
		began := time.Now()
		_, err := conn.Write(make([]byte, 100<<10))
		took = time.Since(began)
		return err
	})
	c.server.Close()
	slow := httptest.NewUnstartedServer(c.Handler)
	slow.Listener = throttled{Listener: slow.Listener}
	slow.Start()
	c.server, c.host = slow, slow.Listener.Addr().String()
	s := c.enter(t, socket.Limits{})
	_, err := io.ReadFull(s, make([]byte, 100<<10))
	require.NoError(t, err)
	require.NoError(t, c.wait(t))
	require.Greater(t, took, limits.Write, "or this proves nothing")
}

func TestPeerIsNotSilentForWhoDoesNotRead(t *testing.T) {
	limits := socket.Limits{Silence: 100 * time.Millisecond, Beat: time.Minute}
	read := make(chan struct{})
	c := newCloud(t, accept.Config{Limits: limits}, func(_ context.Context, conn engine.Conn) error {
		<-read // a disk that takes long
		_, err := io.ReadFull(conn, make([]byte, 5))
		return err
	})
	conn, _ := c.raw(t)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, []byte("hello")))
	select {
	case err := <-c.ended:
		t.Fatal(err)
	case <-time.After(400 * time.Millisecond):
	}
	close(read)
	require.NoError(t, c.wait(t))
}
