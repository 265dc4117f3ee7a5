package mesh

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

// startRealGossip runs gossip on loopback sockets until the returned function or the end of the test.
func startRealGossip(t *testing.T, n int, bind string, addresses func() []Target) (*Gossip, func()) {
	t.Helper()
	g, err := NewGossip(GossipConfig{
		Till: gossipTill(n), Shop: testShop, Key: testKey, Boot: 1, LinkPort: 8481,
		Bind: netip.MustParseAddrPort(bind), Addresses: addresses,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			require.Fail(t, "Run did not end")
		}
	}
	t.Cleanup(stop)
	return g, stop
}

func TestGossipOverSockets(t *testing.T) {
	nobody := func() []Target { return nil }
	a, stopA := startRealGossip(t, 1, "127.0.0.1:0", nobody)
	soon(t, func() bool { return a.State().Up }, "first till up")
	where := a.State().Addr
	require.NotZero(t, where.Port())

	b, stopB := startRealGossip(t, 2, "127.0.0.2:0", func() []Target { return []Target{{Addrs: []string{where.String()}}} })
	soon(t, func() bool { return len(a.Members()) == 1 && len(b.Members()) == 1 }, "they see each other")
	require.Equal(t, b.State().Addr, a.Members()[0].Addr)
	require.Equal(t, "127.0.0.2", a.Members()[0].Addr.Addr().String())

	c, _ := startRealGossip(t, 3, where.String(), nobody)
	soon(t, func() bool { return c.State().Problem != nil }, "a port in use is reported")
	require.ErrorContains(t, c.State().Problem, "address already in use")
	stopB()
	soon(t, func() bool { return len(a.Members()) == 0 }, "the second till left")
	stopA()
	c.Wake()
	soon(t, func() bool { return c.State().Up }, "and taken when it is free")
	require.ErrorContains(t, c.Run(t.Context()), "twice")
}

func TestAnOwnAddressOutsideTheNetworksIsReported(t *testing.T) {
	g, err := NewGossip(GossipConfig{
		Till: gossipTill(1), Shop: testShop, Key: testKey, Boot: 1, LinkPort: 8481,
		Bind: netip.MustParseAddrPort("127.0.0.1:0"), Addresses: func() []Target { return nil },
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	require.NoError(t, err)
	require.ErrorContains(t, g.takePart(t.Context()), "outside the networks")
}

func TestGossipDialsFromItsOwnAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	n, err := listenGossip(netip.MustParseAddrPort("127.0.0.3:0"), testGuard(t), log.Default())
	require.NoError(t, err)
	conn, err := n.DialTimeout(listener.Addr().String(), time.Second)
	require.NoError(t, err)
	far, err := listener.Accept()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.3", ipOf(far.RemoteAddr()).String())
	require.NoError(t, conn.Close())
	require.NoError(t, far.Close())
	// A caller that nobody reads from must not keep Shutdown waiting.
	caller, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), n.port).String())
	require.NoError(t, err)
	require.NoError(t, n.Shutdown())
	require.NoError(t, n.Shutdown())
	require.NoError(t, caller.Close())
	_, err = n.DialTimeout(listener.Addr().String(), time.Second)
	require.Error(t, err)
}

func TestBestAddress(t *testing.T) {
	pick := func(found ...string) string {
		var addrs []netip.Addr
		for _, f := range found {
			addrs = append(addrs, netip.MustParseAddr(f))
		}
		a, err := bestAddress(addrs)
		if err != nil {
			require.ErrorIs(t, err, errNoAddress)
			return ""
		}
		return a.String()
	}
	require.Equal(t, "192.168.1.4", pick("fe80::1", "169.254.3.3", "8.8.8.8", "192.168.1.4", "10.0.0.1"))
	require.Equal(t, "8.8.8.8", pick("169.254.3.3", "8.8.8.8", "fd00::1"))
	require.Equal(t, "fd00::1", pick("fe80::1", "169.254.3.3", "2001:db8::1", "fd00::1"))
	require.Equal(t, "2001:db8::1", pick("fe80::1", "2001:db8::1"))
	require.Equal(t, "169.254.3.3", pick("fe80::1", "169.254.3.3"))
	require.Equal(t, "fe80::1", pick("fe80::1"))
	require.Empty(t, pick())
}

func TestMetaRoundTripAndNoise(t *testing.T) {
	boot, port, err := decodeMeta(encodeMeta(1<<31+5, 8481))
	require.NoError(t, err)
	require.Equal(t, uint32(1<<31+5), boot)
	require.Equal(t, uint16(8481), port)
	_, port, err = decodeMeta(append(encodeMeta(1, 9), 1, 2, 3))
	require.NoError(t, err, "a later version may append")
	require.Equal(t, uint16(9), port)
	for _, noise := range [][]byte{nil, {1}, {0, 0, 0, 0, 0, 0, 0}} {
		_, _, err := decodeMeta(noise)
		require.ErrorIs(t, err, errMeta)
	}
}

func TestGossipLogLimitsRepeats(t *testing.T) {
	var out bytes.Buffer
	clock := &testClock{now: time.Unix(1000, 0)}
	w := &gossipLog{log: slog.New(slog.NewTextHandler(&out, nil)), now: clock.Now, kinds: map[string]*logKind{}}
	logger := log.New(w, "", 0)
	logger.Printf("[DEBUG] memberlist: Stream connection from=1.2.3.4")
	require.Empty(t, out.String())
	for i := range 2000 {
		logger.Printf("[ERR] memberlist: Decrypt packet failed: junk %d", i)
	}
	logger.Printf("[WARN] memberlist: Got ping for unexpected node x")
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `level=ERROR msg=gossip text="Decrypt packet failed: junk 0"`)
	require.Contains(t, out.String(), "level=WARN")

	out.Reset()
	clock.step(logQuiet)
	logger.Printf("[ERR] memberlist: Decrypt packet failed: junk again")
	require.Contains(t, out.String(), "held_back=1999")

	for i := range 1000 {
		logger.Printf("[INFO] memberlist: %d new kinds", i)
	}
	require.LessOrEqual(t, len(w.kinds), logKinds+1, "memory is bounded")
}

func TestNewGossipWantsItsConfiguration(t *testing.T) {
	whole := GossipConfig{
		Till: gossipTill(1), Shop: testShop, Key: testKey, LinkPort: 1, Addresses: func() []Target { return nil },
	}
	for name, spoil := range map[string]func(*GossipConfig){
		"Till":      func(c *GossipConfig) { c.Till = crdt.TillID{} },
		"Shop":      func(c *GossipConfig) { c.Shop = crdt.ShopID{} },
		"Addresses": func(c *GossipConfig) { c.Addresses = nil },
		"LinkPort":  func(c *GossipConfig) { c.LinkPort = 0 },
		"key":       func(c *GossipConfig) { c.Key = nil },
	} {
		c := whole
		spoil(&c)
		_, err := NewGossip(c)
		require.ErrorContains(t, err, name)
	}
}
