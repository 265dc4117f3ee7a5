package mesh

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// heldConn reads nothing until it is released.
type heldConn struct {
	net.Conn
	begun   func()
	release <-chan struct{}
}

func (c heldConn) Read(b []byte) (int, error) {
	c.begun()
	<-c.release
	return c.Conn.Read(b)
}

// A till that is busy answers late. Hints come often where many tills are found, or made up; they must not begin anew
// what only takes its time.
func TestAHintDoesNotGiveUpAHandshakeThatBegan(t *testing.T) {
	low, high := pairOfIdentities(t)
	y := startTill(t, high, "127.0.0.1:0", nil)
	y.allow(low)
	clock := &testClock{now: time.Now()}
	begun, release := make(chan struct{}), make(chan struct{})
	var dials atomic.Int32
	x := startTill(t, low, "127.0.0.1:0", func(c *LinksConfig) {
		c.Now = clock.Now
		real := dialFrom(c.Listener.Addr())
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			conn, err := real(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return heldConn{conn, sync.OnceFunc(func() { close(begun) }), release}, nil
		}
	})
	x.allow(high)
	x.aim(y.target())
	<-begun
	for range 10 {
		clock.step(hung)
		x.Wake()
		x.WakeTill(high.Till())
	}
	close(release)
	linked(t, x, y)
	require.EqualValues(t, 1, dials.Load())
}

func TestAddressesThatNeverLedToATillAreDialledWithinARate(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	x.unproven.SetBurst(1)
	x.unproven.SetLimit(rate.Limit(0))
	x.aim(y.target())
	linked(t, x, y)
	require.Zero(t, int(x.unproven.Tokens()), "the first dial took the only token")
	x.Drop(high.Till())
	soon(t, func() bool { return x.Stats().Dialled == 2 }, "an address that worked needs none")

	failed := x.Stats().DialsFailed
	x.aim(Target{Addrs: []string{"127.0.0.1:1"}}) // nobody is there
	soon(t, func() bool {
		x.Links.mu.Lock()
		defer x.Links.mu.Unlock()
		p := x.Links.mu.places["@127.0.0.1:1"]
		return p != nil && p.cancel != nil
	}, "the attempt waits for a token")
	require.Equal(t, failed, x.Stats().DialsFailed)
	for n := range 3 * maxProven {
		x.prove(fmt.Sprint(n))
	}
	x.Links.mu.Lock()
	defer x.Links.mu.Unlock()
	require.LessOrEqual(t, len(x.Links.mu.proven), maxProven)
}
