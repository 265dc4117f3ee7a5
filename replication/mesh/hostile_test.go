package mesh

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

// testClock is moved by hand.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// handshakeByHand makes the TLS connection of a link and stops before the bytes that settle it.
func handshakeByHand(t *testing.T, id *Identity, addr string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, id.linkConfig(testShop, func(crdt.TillID) error { return nil }))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// dialByHand makes a whole link from id to peer at addr, without a Links.
func dialByHand(t *testing.T, id, peer *Identity, addr string) *tls.Conn {
	t.Helper()
	conn := handshakeByHand(t, id, addr)
	if id.Till().Compare(peer.Till()) > 0 {
		_, err := conn.Write([]byte{byteReady})
		require.NoError(t, err)
		require.NoError(t, expect(conn, byteGo))
		return conn
	}
	require.NoError(t, expect(conn, byteReady))
	_, err := conn.Write([]byte{byteGo})
	require.NoError(t, err)
	return conn
}

func TestNoiseIsAnsweredByNothing(t *testing.T) {
	y := startTill(t, testIdentity(t, 1), "127.0.0.1:0", nil)
	for i, noise := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00", ""} {
		conn, err := net.Dial("tcp", y.addr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, noise)
		require.NoError(t, err)
		if noise == "" {
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		}
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		got, err := io.ReadAll(conn)
		require.Empty(t, got)
		if err != nil { // unread bytes make the close a reset
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.NoError(t, conn.Close())
		soon(t, func() bool { return y.Stats().Noise == uint64(i+1) }, "counted")
	}
}

func TestGarbageAfterATLSHeaderIsCounted(t *testing.T) {
	y := startTill(t, testIdentity(t, 1), "127.0.0.1:0", nil)
	conn, err := net.Dial("tcp", y.addr)
	require.NoError(t, err)
	_, err = conn.Write(append([]byte{0x16, 3, 1, 0, 40, 1, 0, 0, 36}, make([]byte, 36)...))
	require.NoError(t, err)
	soon(t, func() bool { return y.Stats().HandshakeFailed == 1 }, "counted")
	require.NoError(t, conn.Close())
}

func TestWrongProtocolsAndKeys(t *testing.T) {
	host, guest := pairOfIdentities(t)
	y := startTill(t, host, "127.0.0.1:0", nil)
	y.allow(guest)
	refused := func(c *tls.Config) {
		conn, err := tls.Dial("tcp", y.addr, c)
		if err == nil { // TLS 1.3: the client learns of the refusal when it reads
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			_, err = conn.Read(make([]byte, 1))
			require.NoError(t, conn.Close())
		}
		require.Error(t, err)
	}
	base := func() *tls.Config { return guest.linkConfig(testShop, func(crdt.TillID) error { return nil }) }

	other := base()
	other.NextProtos = []string{"h2"}
	refused(other)
	soon(t, func() bool { return y.Stats().WrongProtocol == 1 }, "a foreign protocol")

	none := base()
	none.NextProtos, none.VerifyConnection = nil, nil
	refused(none)
	soon(t, func() bool { return y.Stats().WrongProtocol == 2 }, "no protocol")

	old := base()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	refused(old)
	soon(t, func() bool { return y.Stats().HandshakeFailed == 1 }, "TLS 1.2")

	bare := base()
	bare.Certificates = nil
	refused(bare)
	soon(t, func() bool { return y.Stats().HandshakeFailed == 2 }, "no key")

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	ec := base()
	ec.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	refused(ec)
	soon(t, func() bool { return y.Stats().UnknownKey == 1 }, "a key that is not Ed25519")
	require.Zero(t, y.begun())
}

func TestSilentCallersAreBoundedAndEnd(t *testing.T) {
	low, high := pairOfIdentities(t)
	y := startTill(t, low, "127.0.0.1:0", nil)
	y.allow(high)
	const silent = 40
	started := time.Now()
	conns := make([]net.Conn, silent)
	for i := range conns {
		var err error
		conns[i], err = net.Dial("tcp", y.addr)
		require.NoError(t, err)
	}
	soon(t, func() bool { return y.Stats().Busy == silent-handshakesPerSource }, "callers beyond the bound are closed")

	// From another address there is room all the while.
	x := startTill(t, high, "127.0.0.2:0", nil)
	x.allow(low)
	x.aim(y.target())
	linked(t, x, y)
	require.Less(t, time.Since(started), handshakeTimeout)
	require.Equal(t, "127.0.0.2", y.running()[0].RemoteAddr().(*net.TCPAddr).IP.String(), "dialled from the listener's address")

	soon(t, func() bool { return y.Stats().TooSlow == handshakesPerSource }, "the silent ones run out of time")
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
}

func TestPairingTakesAnyKeyAndLinksDoNot(t *testing.T) {
	host, stranger := pairOfIdentities(t)
	type guest struct {
		till crdt.TillID
		said string
	}
	guests := make(chan guest, 1)
	y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
		c.Pair = func(_ context.Context, conn net.Conn, peer crdt.TillID) {
			said := make([]byte, 5)
			_, err := io.ReadFull(conn, said)
			guests <- guest{peer, string(said)}
			_, isTLS := conn.(*tls.Conn)
			if err == nil && isTLS {
				_, err = io.WriteString(conn, "welcome")
			}
			if err != nil {
				guests <- guest{said: err.Error()}
			}
		}
	})
	conn, peer, err := DialPairing(t.Context(), stranger, nil, y.addr)
	require.NoError(t, err)
	require.Equal(t, host.Till(), peer)
	_, err = io.WriteString(conn, "hello")
	require.NoError(t, err)
	require.Equal(t, guest{stranger.Till(), "hello"}, <-guests)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "welcome", string(answer))
	require.NoError(t, conn.Close())
	require.Equal(t, uint64(1), y.Stats().Paired)
	require.Zero(t, y.begun())

	x := startTill(t, stranger, "127.0.0.1:0", nil)
	x.allow(host)
	x.aim(y.target())
	soon(t, func() bool { return y.Stats().UnknownKey > 0 }, "the same key gets no link")
	require.Equal(t, uint64(1), y.Stats().Paired)
	require.Zero(t, y.begun())

	_, _, err = DialPairing(t.Context(), stranger, nil, x.addr)
	require.Error(t, err, "nobody pairs there, nor with itself")
	soon(t, func() bool { return x.Stats().PairRefused == 1 }, "counted")
}

func TestPairingIsBounded(t *testing.T) {
	host, stranger := pairOfIdentities(t)
	clock := &testClock{now: time.Now()}
	inside := make(chan error, 100)
	y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
		c.Now = clock.Now
		c.Pair = func(_ context.Context, conn net.Conn, _ crdt.TillID) {
			inside <- nil
			_, err := conn.Read(make([]byte, 1))
			inside <- err
		}
	})
	enter := func(from byte) net.Conn {
		dial := dialFrom(&net.TCPAddr{IP: net.IPv4(127, 0, 0, from)})
		conn, _, err := DialPairing(t.Context(), stranger, dial, y.addr)
		require.NoError(t, err)
		return conn
	}
	refused := func(from byte, why string) {
		before := y.Stats().PairRefused
		conn := enter(from)
		_, err := conn.Read(make([]byte, 1))
		require.Error(t, err, why)
		require.NoError(t, conn.Close())
		require.Equal(t, before+1, y.Stats().PairRefused)
	}
	var open []net.Conn
	for n := range pairAtOnce {
		open = append(open, enter(byte(10+n/pairPerSource)))
		require.NoError(t, <-inside)
		if n == pairPerSource-1 {
			refused(10, "one machine does not take all places")
		}
	}
	refused(20, "and there are no more")
	for _, c := range open {
		require.NoError(t, c.Close())
		require.Error(t, <-inside)
	}

	for range pairBurst - pairAtOnce {
		conn := enter(30)
		require.NoError(t, <-inside)
		require.NoError(t, conn.Close())
		require.True(t, errors.Is(<-inside, io.EOF))
	}
	refused(30, "too many in too short a time")
	clock.step(time.Second)
	conn := enter(30)
	require.NoError(t, <-inside)
	require.NoError(t, conn.Close())
	require.Error(t, <-inside)
}

func TestARevokedTillLosesItsLinkAndMayOnlyAskToPair(t *testing.T) {
	low, high := pairOfIdentities(t)
	for name, revoked := range map[string]*Identity{"lower": low, "higher": high} {
		t.Run(name, func(t *testing.T) {
			host := low
			if revoked == low {
				host = high
			}
			asked := make(chan crdt.TillID, 1)
			y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
				c.Former = func(till crdt.TillID) bool { return till == revoked.Till() }
				c.Pair = func(_ context.Context, _ net.Conn, peer crdt.TillID) { asked <- peer }
			})
			x := startTill(t, revoked, "127.0.0.1:0", nil)
			y.allow(revoked)
			x.allow(host)
			x.aim(y.target())
			linked(t, x, y)

			y.forbid(revoked)
			begin := time.Now()
			y.Recheck()
			soon(t, func() bool { return len(x.running()) == 0 && len(y.running()) == 0 }, "the link is closed")
			require.Less(t, time.Since(begin), time.Second, "within moments")
			soon(t, func() bool { return y.Stats().Removed > 0 }, "its next connection is refused, for this reason")
			require.Zero(t, y.Stats().UnknownKey)
			require.Equal(t, errRemoved.Error(), y.Strangers()[0].Reason)
			require.Equal(t, 1, y.begun())

			conn, _, err := DialPairing(t.Context(), revoked, nil, y.addr)
			require.NoError(t, err)
			require.Equal(t, revoked.Till(), <-asked, "pairing is open to all; who pairs judges the key")
			require.NoError(t, conn.Close())
		})
	}
}
