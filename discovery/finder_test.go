package discovery_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
)

func TestStaticRefusesWhatIsNoPeer(t *testing.T) {
	for _, bad := range []string{"", "till2", ":8481", "till2:", "till2:0", "till2:65536", "till2:http", "fe80::1:8481"} {
		_, err := discovery.NewStatic([]string{bad}, 0, nil)
		require.ErrorContains(t, err, "peer", bad)
	}
	_, err := discovery.NewStatic(make([]string, 65), 0, nil)
	require.ErrorContains(t, err, "at most 64")
}

func TestStaticResolvesAgainInEveryRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Value
		answer.Store([]netip.Addr{netip.MustParseAddr("10.0.0.1")})
		lookup := func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if a := answer.Load().([]netip.Addr); host == "till2.lan" && network == "ip" && len(a) > 0 {
				return a, nil
			}
			return nil, errors.New("no such host")
		}
		s, err := discovery.NewStatic([]string{"till2.lan:8481", "till2.lan:8481"}, time.Minute, lookup)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		found := s.Watch(ctx)
		require.Equal(t, discovery.Candidate{Addrs: addrs("10.0.0.1:8481"), Source: "manual", SeenAt: time.Now()}, <-found)

		answer.Store([]netip.Addr{netip.MustParseAddr("::ffff:10.0.0.2")})
		require.Equal(t, addrs("10.0.0.2:8481"), (<-found).Addrs)
		require.Empty(t, s.Problems())

		answer.Store([]netip.Addr{})
		require.Equal(t, addrs("10.0.0.2:8481"), (<-found).Addrs, "the last good answer")
		require.ErrorContains(t, s.Problems()[0], "peer till2.lan:8481: no such host")
		cancel()
		_, open := <-found
		require.False(t, open)
		require.NoError(t, s.Announce(ctx, discovery.Self{}))
	})
}

func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := discovery.NewNetwork()
		a, b := lan.Finder(), lan.Finder()
		self := func(n byte) discovery.Self {
			return discovery.Self{Till: till(n), Shop: shop(1), Port: 8481, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})}}
		}
		require.Error(t, a.Announce(t.Context(), discovery.Self{}))
		ctxA, leave := context.WithCancel(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		early := b.Watch(ctx)
		go func() { _ = a.Announce(ctxA, self(1)) }()
		go func() { _ = b.Announce(ctx, self(2)) }()
		synctest.Wait()
		require.Error(t, a.Announce(ctx, self(3)), "one till at a time")
		want := discovery.Candidate{Till: till(1), Shop: shop(1), Addrs: addrs("10.0.0.1:8481"), Source: "mdns", SeenAt: time.Now()}
		require.Equal(t, want, <-early)
		require.Equal(t, want, <-b.Watch(ctx))
		require.Empty(t, early, "not itself")

		leave()
		synctest.Wait()
		require.Empty(t, b.Watch(ctx))
		cancel()
		synctest.Wait()
		_, open := <-early
		require.False(t, open)
	})
}

func TestShops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := discovery.NewNetwork()
		for _, n := range []byte{3, 1, 2} {
			go func() {
				_ = lan.Finder().Announce(t.Context(), discovery.Self{
					Till: till(n), Shop: shop(n%2 + 1), Port: 8481, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})},
				})
			}()
		}
		begin := time.Now()
		shops := discovery.Shops(t.Context(), lan.Finder(), 3*time.Second)
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Len(t, shops, 2)
		require.Equal(t, shop(1), shops[0].ID)
		require.Equal(t, till(2), shops[0].Tills[0].Till)
		require.Equal(t, shop(2), shops[1].ID)
		require.Equal(t, []any{till(1), till(3)}, []any{shops[1].Tills[0].Till, shops[1].Tills[1].Till})
		require.Equal(t, addrs("10.0.0.3:8481"), shops[1].Tills[1].Addrs)
	})
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int32
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			n := open.Add(1)
			defer open.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			require.Equal(t, "tcp", network)
			switch netip.MustParseAddrPort(addr).Port() {
			case 1:
				<-time.After(time.Millisecond)
				c, other := net.Pipe()
				return c, other.Close()
			case 2:
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			case 3:
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
			}
			return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
		}
		list := addrs("10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4", "10.0.0.2:3", "10.0.0.3:3")
		got := discovery.Probe(t.Context(), list, dial, discovery.ProbeOptions{Parallel: 3, Timeout: time.Second})
		require.Len(t, got, len(list))
		for i, want := range []discovery.Reach{
			discovery.Reachable, discovery.Refused, discovery.TimedOut, discovery.Unreachable, discovery.TimedOut, discovery.TimedOut,
		} {
			require.Equal(t, list[i], got[i].Addr)
			require.Equal(t, want, got[i].Reach, "%s: %v", list[i], got[i].Err)
			require.Equal(t, want == discovery.Reachable, got[i].Err == nil)
		}
		require.Equal(t, time.Millisecond, got[0].Took)
		require.Equal(t, time.Second, got[2].Took)
		require.EqualValues(t, 3, most.Load(), "never more at once than allowed, but as many")
		require.Empty(t, discovery.Probe(t.Context(), nil, dial, discovery.ProbeOptions{}))
	})
}

func TestProbeOnLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().(*net.TCPAddr).AddrPort()
	dial := new(net.Dialer).DialContext
	require.Equal(t, discovery.Reachable, discovery.Probe(t.Context(), []netip.AddrPort{at}, dial, discovery.ProbeOptions{})[0].Reach)
	require.NoError(t, l.Close())
	require.Equal(t, discovery.Refused, discovery.Probe(t.Context(), []netip.AddrPort{at}, dial, discovery.ProbeOptions{})[0].Reach)
}

func TestLocalPrefixes(t *testing.T) {
	list, err := discovery.SystemInterfaces()
	require.NoError(t, err)
	require.Contains(t, discovery.LocalPrefixes(list), netip.MustParsePrefix("127.0.0.1/8"))
	for i := range list {
		list[i].Flags &^= net.FlagUp
	}
	require.Empty(t, discovery.LocalPrefixes(list))
}
