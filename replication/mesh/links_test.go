package mesh

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestLinkToAKnownTill(t *testing.T) {
	a, b := pairOfIdentities(t)
	for name, dialler := range map[string]*Identity{"the lower till dials": a, "the higher till dials": b} {
		t.Run(name, func(t *testing.T) {
			other := a
			if dialler == a {
				other = b
			}
			x, y := startTill(t, dialler, "127.0.0.1:0", nil), startTill(t, other, "127.0.0.1:0", nil)
			x.allow(other)
			y.allow(dialler)
			x.aim(y.target())
			linked(t, x, y)

			l, m := x.running()[0], y.running()[0]
			require.True(t, l.Dialled())
			require.False(t, m.Dialled())
			require.Equal(t, y.addr, l.RemoteAddr().String())
			require.Positive(t, l.BytesIn())
			soon(t, func() bool { return l.BytesOut() == m.BytesIn() && m.BytesOut() == l.BytesIn() }, "counters agree")
			require.Equal(t, uint64(1), x.Stats().Dialled)
			require.Equal(t, uint64(1), y.Stats().Accepted)
			require.Equal(t, []*Link{l}, x.All())
		})
	}
}

func TestAnAddressWithoutATillIsLearntAndNotDialledTwice(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	x.aim(Target{Addrs: []string{x.addr, y.addr}}) // its own address is among them
	linked(t, x, y)
	x.Wake()
	x.Wake()
	soon(t, func() bool {
		x.Links.mu.Lock()
		defer x.Links.mu.Unlock()
		p := x.Links.mu.places["@"+x.addr]
		return p != nil && p.leadsTo == low.Till() && x.Links.mu.places["@"+y.addr].leadsTo == high.Till()
	}, "both addresses are known")
	require.Equal(t, uint64(1), x.Stats().Dialled)
	require.Zero(t, x.Stats().UnknownKey)
}

func TestUnknownKeysGetNothing(t *testing.T) {
	low, high := pairOfIdentities(t)
	for name, stranger := range map[string]*Identity{"stranger is lower": low, "stranger is higher": high} {
		t.Run(name, func(t *testing.T) {
			host := low
			if stranger == low {
				host = high
			}
			x, y := startTill(t, stranger, "127.0.0.1:0", nil), startTill(t, host, "127.0.0.1:0", nil)
			x.allow(host)
			x.aim(y.target())
			soon(t, func() bool { return y.Stats().UnknownKey >= 2 }, "the refusals are counted, and it tries again")
			require.Empty(t, x.All())
			require.Zero(t, x.begun(), "a refused till must not believe in a link")
			require.Zero(t, y.begun())

			y.allow(stranger) // the roster arrived
			linked(t, x, y)
		})
	}
}

func TestADialledTillMustBeInTheRosterToo(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	y.allow(low)
	x.aim(Target{Addrs: []string{y.addr}})
	soon(t, func() bool { return x.Stats().UnknownKey >= 1 }, "the answering key is refused")
	require.Zero(t, y.begun())
}

func TestAnotherTillAtTheAddress(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	third := testIdentity(t, 3)
	x.allow(high, third)
	y.allow(low)
	x.aim(Target{Till: third.Till(), Addrs: []string{y.addr}})
	soon(t, func() bool { return x.Stats().DialsFailed >= 2 }, "the attempts fail")
	require.Zero(t, x.begun())
	require.Zero(t, y.begun())
}

func TestAnotherShopIsRefusedBeforeKeysAreShown(t *testing.T) {
	low, high := pairOfIdentities(t)
	x := startTill(t, low, "127.0.0.1:0", func(c *LinksConfig) { c.Shop = crdt.ShopID{9} })
	y := startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	x.aim(y.target())
	soon(t, func() bool { return y.Stats().OtherShop >= 1 }, "counted")
	require.Zero(t, y.Stats().UnknownKey)
	require.Zero(t, y.begun())
}

func TestBothDialAtOnceAndAgreeOnOneConnection(t *testing.T) {
	low, high := pairOfIdentities(t)
	for range 20 {
		x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
		x.allow(high)
		y.allow(low)
		go x.aim(y.target())
		y.aim(x.target())
		linked(t, x, y)
		link := x.running()[0]
		// The rival, if there was one, has been told to go; the session that began was not disturbed.
		soon(t, func() bool {
			x.Links.mu.Lock()
			defer x.Links.mu.Unlock()
			for _, p := range x.Links.mu.places {
				if p.cancel != nil {
					return false
				}
			}
			return true
		}, "no attempt is under way")
		linked(t, x, y)
		require.Same(t, link, x.running()[0])
		require.Equal(t, 1, x.begun())
		require.Equal(t, 1, y.begun())
		x.stop()
		y.stop()
	}
}

func TestOneOfManyAddressesIsEnough(t *testing.T) {
	low, high := pairOfIdentities(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	mute := silent.Addr().String()
	x.aim(Target{Till: high.Till(), Addrs: []string{mute, "127.0.0.1:1", mute, y.addr}})
	started := time.Now()
	linked(t, x, y)
	require.Less(t, time.Since(started), handshakeTimeout, "the silent address does not hold up the good one")
}

func TestRestartReplacesTheStaleLink(t *testing.T) {
	low, high := pairOfIdentities(t)
	for name, restarted := range map[string]*Identity{"lower restarts": low, "higher restarts": high} {
		t.Run(name, func(t *testing.T) {
			stays := low
			if restarted == low {
				stays = high
			}
			clock := &testClock{now: time.Now()}
			y := startTill(t, stays, "127.0.0.1:0", func(c *LinksConfig) { c.Now = clock.Now })
			y.allow(restarted)

			// The first life of the restarted till: made by hand, so that its end can go silent without a FIN.
			// It is kept open, as a machine without power keeps its last connection in the eyes of the others.
			first := dialByHand(t, restarted, stays, y.addr)
			soon(t, func() bool { return len(y.running()) == 1 }, "first life linked")
			old := y.running()[0]

			clock.step(time.Minute)
			x := startTill(t, restarted, "127.0.0.1:0", nil)
			x.allow(stays)
			x.aim(y.target())
			linked(t, x, y)
			require.NotSame(t, old, y.running()[0])
			require.Equal(t, uint64(1), y.Stats().Replaced)
			_, err := first.Read(make([]byte, 1))
			require.Error(t, err)
			require.NoError(t, first.Close())
		})
	}
}

func TestLinkComesBackAfterALoss(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	x.aim(y.target())
	linked(t, x, y)
	y.stop()
	soon(t, func() bool { return len(x.running()) == 0 && x.Stats().DialsFailed > 0 }, "the loss is noticed")
	again := startTill(t, high, y.addr, nil)
	again.allow(low)
	x.WakeTill(high.Till())
	linked(t, x, again)
}

func TestAHintGivesUpAnAttemptThatHangs(t *testing.T) {
	low, high := pairOfIdentities(t)
	y := startTill(t, high, "127.0.0.1:0", nil)
	y.allow(low)
	clock := &testClock{now: time.Now()}
	cableOut := make(chan struct{}, 1)
	var dials atomic.Int32
	x := startTill(t, low, "127.0.0.1:0", func(c *LinksConfig) {
		c.Now = clock.Now
		real := dialFrom(c.Listener.Addr())
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				cableOut <- struct{}{}
				<-ctx.Done() // as a SYN that nobody answers
				return nil, ctx.Err()
			}
			return real(ctx, network, addr)
		}
	})
	x.allow(high)
	started := time.Now()
	x.aim(y.target())
	<-cableOut
	clock.step(hung)
	x.WakeTill(high.Till())
	linked(t, x, y)
	require.Less(t, time.Since(started), connectTimeout)
}

func TestDropAndRecheck(t *testing.T) {
	low, high := pairOfIdentities(t)
	x, y := startTill(t, low, "127.0.0.1:0", nil), startTill(t, high, "127.0.0.1:0", nil)
	x.allow(high)
	y.allow(low)
	x.aim(y.target())
	linked(t, x, y)

	first := x.running()[0]
	y.Drop(low.Till())
	soon(t, func() bool { r := x.running(); return len(r) == 1 && r[0] != first }, "a dropped till may come back")
	linked(t, x, y)

	y.forbid(low)
	y.Recheck()
	soon(t, func() bool { return len(x.running()) == 0 && len(y.running()) == 0 }, "a revoked till loses its link")
	soon(t, func() bool { return y.Stats().UnknownKey > 0 }, "and is refused from then on")
	require.Empty(t, y.All())
}

func TestAConnectionSettledAfterTheRevocationIsRefused(t *testing.T) {
	low, high := pairOfIdentities(t)
	asked := make(chan struct{})
	var revoked atomic.Bool
	y := startTill(t, low, "127.0.0.1:0", func(c *LinksConfig) {
		c.Allowed = func(crdt.TillID) bool {
			if revoked.Swap(true) {
				return false
			}
			close(asked) // the handshake passed; the revocation comes before the link is settled
			return true
		}
	})
	conn := handshakeByHand(t, high, y.addr)
	<-asked
	y.Recheck()
	_, err := conn.Write([]byte{byteReady})
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	soon(t, func() bool { return y.Stats().UnknownKey == 1 }, "counted")
	require.Zero(t, y.begun())
	require.NoError(t, conn.Close())
}

func TestRunEndsWithTheListenerAndRunsOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	links, err := NewLinks(LinksConfig{
		Identity: testIdentity(t, 1), Shop: testShop, Listener: listener,
		Allowed: func(crdt.TillID) bool { return true }, Addresses: func() []Target { return nil },
		Serve: func(context.Context, *Link) error { return nil },
	})
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, links.Run(t.Context()), net.ErrClosed)
	require.ErrorContains(t, links.Run(t.Context()), "twice")

	_, err = NewLinks(LinksConfig{})
	require.ErrorContains(t, err, "Identity is not set")
}

func TestBackoffGrowsToItsCap(t *testing.T) {
	for failures, most := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		for _, random := range []uint64{0, 1, 1<<64 - 1, 1 << 40} {
			d := backoff(failures, random)
			require.LessOrEqual(t, d, most*time.Millisecond)
			require.GreaterOrEqual(t, d, most*time.Millisecond/2)
		}
	}
	require.LessOrEqual(t, backoff(1<<40, 7), backoffMost)
}
