package pairing

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func isWithdrawn(err error) bool { return errors.Is(err, ErrWithdrawn) }

func TestSilentPeersTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		near, far := net.Pipe()
		began := time.Now()
		_, err := s.Accept(t.Context(), Channel{Conn: far, Self: s.key, Peer: testKey(1)}, s.admit)
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, HandshakeTimeout, time.Since(began))

		// Nobody reads: the write of the first message must end too.
		_, err = Join(t.Context(), testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: s.key}, testToken(t, 1), testRequest(nil), nil)
		require.ErrorIs(t, err, ErrTimeout)
		require.NoError(t, errors.Join(near.Close(), far.Close()))
	})
}

func TestSlowAdmissionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		m := s.meet(t, testKey(1), s.issue(t), meeting{keep: func(ctx context.Context, _ Answer) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		require.ErrorIs(t, m.joinErr, context.DeadlineExceeded)
		require.ErrorIs(t, m.acceptErr, ErrUnconfirmed)
	})
}

func TestDrippingPeerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for _, b := range firstMessage(t, s, testToken(t, 1)) {
				if _, err := near.Write([]byte{b}); err != nil {
					return
				}
				<-tick.C
			}
		}()
		_, err := s.Accept(t.Context(), Channel{Conn: far, Self: s.key, Peer: testKey(1)}, s.admit)
		require.ErrorIs(t, err, ErrTimeout)
		require.NoError(t, errors.Join(near.Close(), far.Close()))
		<-done
	})
}

func TestCancelEndsBothSides(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newShop()
	_, err := s.Accept(ctx, Channel{Conn: far, Self: s.key, Peer: testKey(1)}, s.admit)
	require.ErrorIs(t, err, context.Canceled)
	_, err = Join(ctx, testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: s.key}, testToken(t, 1), testRequest(nil), nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBadChannelsAreRefused(t *testing.T) {
	s := newShop()
	_, err := s.Accept(t.Context(), Channel{Self: s.key, Peer: s.key}, s.admit)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = Join(t.Context(), testRandom(1), Channel{Self: testKey(1)}, testToken(t, 1), testRequest(nil), nil)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = Join(t.Context(), testRandom(1), Channel{Self: testKey(1), Peer: testKey(2)}, Token{}, testRequest(nil), nil)
	require.ErrorIs(t, err, ErrTyping)
}

// One admission and one refusal over TCP and TLS 1.3, where a refusal must arrive although the inviting till hangs up.
func TestOverTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	s := newShop()
	token := s.issue(t)
	s.key = nil
	for _, c := range []struct {
		token Token
		want  error
	}{{token, nil}, {testToken(t, 77), ErrWrongToken}} {
		dialed, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		accepted, err := listener.Accept()
		require.NoError(t, err)
		server, client := tls.Server(accepted, testTLS(t)), tls.Client(dialed, testTLS(t))
		shaken := make(chan error, 1)
		go func() { shaken <- server.HandshakeContext(t.Context()) }()
		require.NoError(t, client.HandshakeContext(t.Context()))
		require.NoError(t, <-shaken)
		require.Equal(t, ALPN, client.ConnectionState().NegotiatedProtocol)
		joinerKey, inviterKey := peerKey(t, server), peerKey(t, client)
		s.key = inviterKey
		m := s.meet(t, joinerKey, c.token, meeting{joiner: client, inviter: server})
		if c.want == nil {
			m.requireAdmitted(t)
			continue
		}
		require.ErrorIs(t, m.joinErr, c.want)
		require.ErrorIs(t, m.acceptErr, c.want)
	}
}

func testTLS(t *testing.T) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, public, private)
	require.NoError(t, err)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{ALPN}, ClientAuth: tls.RequireAnyClientCert,
		InsecureSkipVerify: true, // the keys are compared by the handshake above TLS
		Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
	}
}

func peerKey(t *testing.T, conn *tls.Conn) ed25519.PublicKey {
	t.Helper()
	key, ok := conn.ConnectionState().PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	require.True(t, ok)
	return key
}
