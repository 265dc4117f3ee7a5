package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

func TestARemovedTillIsToldWhy(t *testing.T) {
	low, high := pairOfIdentities(t)
	for name, revoked := range map[string]*Identity{"lower": low, "higher": high} {
		t.Run(name, func(t *testing.T) {
			host := low
			if revoked == low {
				host = high
			}
			y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
				c.Former = func(till crdt.TillID) bool { return till == revoked.Till() }
			})
			told := make(chan crdt.TillID, 100)
			x := startTill(t, revoked, "127.0.0.1:0", func(c *LinksConfig) {
				c.ToldRemoved = func(by crdt.TillID) { told <- by }
			})
			x.allow(host)
			x.aim(y.target())
			for range 3 {
				require.Equal(t, host.Till(), <-told, "who says it is known by its key")
			}
			r, ok := x.LastDial(y.addr)
			require.True(t, ok)
			require.Equal(t, AnswerRemoved, r.Answer)
			require.Equal(t, host.Till(), r.Till)
			require.Zero(t, x.begun())
			require.Zero(t, y.begun())
			require.GreaterOrEqual(t, y.Stats().Removed, uint64(2))
			require.Zero(t, y.Stats().UnknownKey)
		})
	}
}

func TestOnlyWhoProvedTheKeyOfARemovedTillIsTold(t *testing.T) {
	host, revoked := pairOfIdentities(t)
	y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
		c.Former = func(till crdt.TillID) bool { return till == revoked.Till() }
	})
	stranger := testIdentity(t, 7)
	conn := handshakeByHand(t, stranger, y.addr)
	_, err := conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, alertBadCertificate.Error())
	require.NoError(t, conn.Close())

	// It shows the removed till's certificate, and signs with a key of its own.
	forged := stranger.linkConfig(testShop, func(crdt.TillID) error { return nil })
	forged.Certificates = []tls.Certificate{{Certificate: revoked.certificate.Certificate, PrivateKey: stranger.certificate.PrivateKey}}
	conn, err = tls.Dial("tcp", y.addr, forged)
	require.NoError(t, err, "the caller learns of the refusal when it reads")
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	n, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.Zero(t, n)
	require.NoError(t, conn.Close())
	require.Zero(t, y.Stats().Removed)
}

func TestARemovedTillThatStaysIsClosed(t *testing.T) {
	host, revoked := pairOfIdentities(t)
	y := startTill(t, host, "127.0.0.1:0", func(c *LinksConfig) {
		c.Former = func(till crdt.TillID) bool { return till == revoked.Till() }
	})
	conn := handshakeByHand(t, revoked, y.addr)
	began := time.Now()
	said, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, []byte{byteRemoved}, said, "one byte, and nothing after it")
	soon(t, func() bool { return y.Stats().Removed == 1 }, "counted once its place is free again")
	require.Less(t, time.Since(began), farewellTime+2*time.Second)
	require.NoError(t, conn.Close())
}

// serveTLS listens and makes the TLS handshake with every caller.
func serveTLS(t *testing.T, c *tls.Config) string {
	return serveRaw(t, func(conn net.Conn) {
		_ = tls.Server(conn, c).HandshakeContext(t.Context()) // its end is the caller's business
	})
}

// serveRaw listens and hands every caller to f.
func serveRaw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		all.Wait()
	})
	return l.Addr().String()
}

func TestWhatAnAddressAnswersIsToldApart(t *testing.T) {
	low, high := pairOfIdentities(t)
	third := testIdentity(t, 3)
	x := startTill(t, low, "127.0.0.1:0", nil)
	x.allow(high, third)
	knows := startTill(t, high, "127.0.0.1:0", nil)
	knows.allow(low)
	unaware := startTill(t, third, "127.0.0.1:0", nil)
	otherShop := startTill(t, testIdentity(t, 4), "127.0.0.1:0", func(c *LinksConfig) { c.Shop = crdt.ShopID{9} })
	stranger := startTill(t, testIdentity(t, 5), "127.0.0.1:0", nil)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	foreign := foreignCertificate(t)
	later := third.linkConfig(testShop, func(crdt.TillID) error { return nil })
	later.NextProtos = []string{"tillmesh-link/2"}

	for name, one := range map[string]struct {
		addr string
		want crdt.TillID
		is   Answer
		from crdt.TillID
	}{
		"a link":                     {knows.addr, high.Till(), AnswerLinked, high.Till()},
		"nobody":                     {closed.Addr().String(), third.Till(), AnswerNone, crdt.TillID{}},
		"another till of the shop":   {knows.addr, third.Till(), AnswerOtherTill, high.Till()},
		"another shop":               {otherShop.addr, third.Till(), AnswerOtherShop, crdt.TillID{}},
		"it does not know our key":   {unaware.addr, third.Till(), AnswerKeyRefused, third.Till()},
		"its key is not known here":  {stranger.addr, crdt.TillID{}, AnswerUnknownKey, stranger.id.Till()},
		"a later version":            {serveTLS(t, later), third.Till(), AnswerOtherProtocol, crdt.TillID{}},
		"a web server with TLS":      {serveTLS(t, &tls.Config{Certificates: []tls.Certificate{foreign}}), third.Till(), AnswerNoTill, crdt.TillID{}},
		"an old server with TLS 1.2": {serveTLS(t, &tls.Config{Certificates: []tls.Certificate{foreign}, MaxVersion: tls.VersionTLS12}), third.Till(), AnswerNoTill, crdt.TillID{}},
		"a server without TLS": {serveRaw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); _, _ = io.Copy(io.Discard, c) }),
			third.Till(), AnswerNoTill, crdt.TillID{}},
		"something that hangs up": {serveRaw(t, func(net.Conn) {}), third.Till(), AnswerBroken, crdt.TillID{}},
	} {
		t.Run(name, func(t *testing.T) {
			link, from, err := x.dialOne(t.Context(), t.Context(), one.addr, one.want)
			if link != nil {
				defer x.abandon(link)
			}
			require.Equal(t, one.is == AnswerLinked, err == nil)
			r, ok := x.LastDial(one.addr)
			require.True(t, ok)
			require.Equal(t, one.is, r.Answer, "%v", err)
			require.Equal(t, one.from, r.Till)
			require.Equal(t, from, r.Till)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
	soon(t, func() bool { return otherShop.Stats().OtherShop == 1 && unaware.Stats().UnknownKey == 1 }, "counted there, too")
	require.Zero(t, otherShop.Stats().HandshakeFailed)
}

func foreignCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
