package pairing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func privateKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// desk is a till of the shop where a person decides, inside a synctest bubble.
type desk struct {
	*Requests
	key ed25519.PublicKey

	mu       sync.Mutex
	answer   Answer
	fail     error
	admitted []string // names, in the order of the calls of admit
	changes  int
}

func newDesk() *desk {
	d := &desk{key: testKey(100), answer: testAnswer()}
	d.Requests = NewRequests(privateKey(100), testRandom(0), time.Now, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changes++
	})
	return d
}

func (d *desk) admit(_ context.Context, req Request) (Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.admitted = append(d.admitted, req.Name)
	return d.answer, d.fail
}

// located is a connection that knows where the other side is.
type located struct {
	net.Conn
	at netip.Addr
}

func (l located) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.at, 40000))
}

func testAddress(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }

// asking is one request over one connection, and how it ended on both sides.
type asking struct {
	joiner, inviter net.Conn
	seed            byte // of the new till's randomness
	name            string
	replaces        [32]byte
	compare         Compare
	keep            Keep

	shown              Digits
	showed, kept       bool
	req                Request
	answer             Answer
	joinErr, acceptErr error
	over               sync.WaitGroup
}

// ask starts both sides with the device key and the address of that number.
func (d *desk) ask(ctx context.Context, key byte, a *asking) *asking {
	if a.joiner == nil {
		a.joiner, a.inviter = net.Pipe()
	}
	if a.name == "" {
		a.name = "Kasse 2"
	}
	a.over.Go(func() {
		defer a.inviter.Close()
		a.req, a.acceptErr = Reception{Requests: d.Requests}.Accept(ctx,
			Channel{Conn: located{a.inviter, testAddress(key)}, Self: d.key, Peer: testKey(key)}, d.admit)
	})
	a.over.Go(func() {
		defer a.joiner.Close()
		req := testRequest(nil)
		req.Name, req.Replaces = a.name, a.replaces
		a.answer, a.joinErr = Ask(ctx, testRandom(a.seed), Channel{Conn: a.joiner, Self: testKey(key), Peer: d.key}, privateKey(key), req,
			func(ctx context.Context, digits Digits) error {
				a.shown, a.showed = digits, true
				if a.compare != nil {
					return a.compare(ctx, digits)
				}
				return nil
			},
			func(ctx context.Context, answer Answer) error {
				if a.keep != nil {
					if err := a.keep(ctx, answer); err != nil {
						return err
					}
				}
				a.kept = true
				return nil
			})
	})
	synctest.Wait()
	return a
}

// only returns the one request that waits.
func (d *desk) only(t *testing.T) Waiting {
	t.Helper()
	list := d.Waiting()
	require.Len(t, list, 1)
	return list[0]
}

func (a *asking) requireAdmitted(t *testing.T) {
	t.Helper()
	a.over.Wait()
	require.NoError(t, a.joinErr)
	require.NoError(t, a.acceptErr)
	require.True(t, a.kept)
	require.Equal(t, testAnswer(), a.answer)
	require.Equal(t, a.name, a.req.Name)
}

// admitted lets a new till ask, says yes and waits for the end.
func (d *desk) requireAdmits(t *testing.T, key byte) {
	t.Helper()
	a := d.ask(t.Context(), key, &asking{})
	var id string
	for _, w := range d.Waiting() {
		if w.Digits == a.shown {
			id = w.ID
		}
	}
	require.NotEmpty(t, id, "%v", a.joinErr)
	_, err := d.Decide(t.Context(), id, true)
	require.NoError(t, err)
	a.requireAdmitted(t)
}

// fails makes one failed try from that address.
func (d *desk) fails(t *testing.T, key byte) *asking {
	t.Helper()
	a := d.ask(t.Context(), key, &asking{})
	require.True(t, a.showed, "%v", a.joinErr)
	a.joiner.Close()
	a.over.Wait()
	require.ErrorIs(t, a.acceptErr, ErrHungUp)
	return a
}
