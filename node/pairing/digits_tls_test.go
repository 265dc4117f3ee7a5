package pairing

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A no and a yes over TCP and TLS 1.3, where the no must arrive although the till of the shop hangs up.
func TestDigitsOverTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	shopTLS, joinerTLS := testTLS(t), testTLS(t)
	shopKey := shopTLS.Certificates[0].PrivateKey.(ed25519.PrivateKey)
	joinerKey := joinerTLS.Certificates[0].PrivateKey.(ed25519.PrivateKey)
	changed := make(chan struct{}, 1)
	requests := NewRequests(shopKey, testRandom(0), time.Now, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	for _, yes := range []bool{false, true} {
		dialed, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		accepted, err := listener.Accept()
		require.NoError(t, err)
		server, client := tls.Server(accepted, shopTLS), tls.Client(dialed, joinerTLS)
		a := &asking{}
		var over sync.WaitGroup
		over.Go(func() {
			defer server.Close()
			if a.acceptErr = server.HandshakeContext(t.Context()); a.acceptErr != nil {
				return
			}
			_, a.acceptErr = Reception{Requests: requests}.Accept(t.Context(),
				Channel{Conn: server, Self: peerKey(t, client), Peer: peerKey(t, server)},
				func(context.Context, Request) (Answer, error) { return testAnswer(), nil })
		})
		require.NoError(t, client.HandshakeContext(t.Context()))
		over.Go(func() {
			defer client.Close()
			_, a.joinErr = Ask(t.Context(), testRandom(1), Channel{Conn: client, Self: joinerKey.Public().(ed25519.PublicKey), Peer: peerKey(t, client)},
				joinerKey, testRequest(nil), nopCompare(a), func(context.Context, Answer) error { a.kept = true; return nil })
		})
		for len(requests.Waiting()) == 0 {
			select {
			case <-changed:
			case <-time.After(10 * time.Second):
				require.Fail(t, "no request came")
			}
		}
		w := requests.Waiting()[0]
		require.Equal(t, netip.MustParseAddr("127.0.0.1"), w.Address)
		_, err = requests.Decide(t.Context(), w.ID, yes)
		require.NoError(t, err)
		over.Wait()
		require.Equal(t, a.shown, w.Digits)
		require.Equal(t, yes, a.kept)
		if yes {
			require.NoError(t, a.joinErr)
			require.NoError(t, a.acceptErr)
		} else {
			require.ErrorIs(t, a.joinErr, ErrRefused)
			require.ErrorIs(t, a.acceptErr, ErrRefused)
		}
	}
}
