package mesh

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

var (
	testKey  = bytes.Repeat([]byte{7}, gossipKeySize)
	freshKey = bytes.Repeat([]byte{8}, gossipKeySize)
)

const (
	// crashSeen bounds how long a crash goes unseen by gossip: until it is somebody's turn to probe it (each of five
	// tills probes one other every 3 s, so that is 12 s at the very worst), until the probe has failed (3 s, or 6 s for a
	// till that doubts itself), and while it is only suspected (3 s).
	crashSeen = 21 * time.Second
	// tillAlone bounds how long a till takes to notice that all others are gone: its failing probes make memberlist
	// doubt this till itself first, and probe more slowly.
	tillAlone = time.Minute
)

func gossipAddr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 8482)
}

func gossipTill(n int) crdt.TillID { return crdt.TillID{byte(n)} }

// gossiper is a till of which only gossip runs.
type gossiper struct {
	*Gossip
	stop func()

	mu    sync.Mutex
	addr  netip.AddrPort
	crash bool // stop without leaving: its network goes away first
	down  error
	last  []Member
}

// startGossip runs gossip on the test network, for all tills from 1 to count. Call it inside a synctest bubble; the
// caller must call stop.
func startGossip(t *testing.T, network *testNetwork, n, count int, change func(*GossipConfig)) *gossiper {
	t.Helper()
	h := &gossiper{addr: gossipAddr(n)}
	var targets []Target
	for i := 1; i <= count; i++ {
		targets = append(targets, Target{Till: gossipTill(i), Addrs: []string{gossipAddr(i).String()}})
	}
	cfg := GossipConfig{
		Till: gossipTill(n), Shop: testShop, Key: testKey, Boot: uint32(100 + n), LinkPort: 8481,
		Bind:      gossipAddr(n),
		Addresses: func() []Target { return targets },
		Advertise: func() netip.Addr {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.addr.Addr()
		},
		Changed: func(m []Member) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.last = m
		},
		Transport: func(*log.Logger) (memberlist.Transport, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.down != nil {
				return nil, h.down
			}
			return network.attach(h.addr), nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	h.Gossip, err = NewGossip(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		if h.crash {
			network.mu.Lock()
			host := network.hosts[h.addr]
			network.mu.Unlock()
			require.NoError(t, host.Shutdown())
		}
		cancel()
		require.NoError(t, <-ended)
	})
	return h
}

// within steps the bubble's time until ok holds and returns how long that took.
func within(t *testing.T, most time.Duration, ok func() bool, what string) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		<-tick.C
		synctest.Wait()
		require.LessOrEqual(t, time.Since(start), most, what)
	}
	return time.Since(start)
}

// sees reports whether each of these tills sees exactly the others.
func sees(tills ...*gossiper) bool {
	for _, g := range tills {
		want := map[crdt.TillID]bool{}
		for _, other := range tills {
			want[other.cfg.Till] = other != g
		}
		members := g.Members()
		if len(members) != len(tills)-1 {
			return false
		}
		for _, m := range members {
			if !want[m.Till] {
				return false
			}
		}
	}
	return true
}

func startFive(t *testing.T) (*testNetwork, []*gossiper) {
	network := newTestNetwork()
	var tills []*gossiper
	for n := 1; n <= 5; n++ {
		tills = append(tills, startGossip(t, network, n, 5, nil))
	}
	return network, tills
}

func stopAll(tills []*gossiper) {
	for _, g := range tills {
		g.stop()
	}
	<-time.After(10 * time.Second) // memberlist's own goroutines end by their timers
}

func TestFiveTillsFindEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tills := startFive(t)
		defer stopAll(tills)
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "all five see each other")
		m := tills[0].Members()[1]
		require.Equal(t, Member{
			Till: gossipTill(3), Addr: gossipAddr(3), LinkPort: 8481, Boot: 103, Since: m.Since,
		}, m)
		require.Equal(t, "10.0.0.3:8481", m.LinkAddr().String())
		synctest.Wait()
		tills[0].mu.Lock()
		require.Equal(t, tills[0].Members(), tills[0].last, "Changed got the latest state")
		tills[0].mu.Unlock()
		st := tills[0].State()
		require.True(t, st.Up)
		require.Equal(t, gossipAddr(1), st.Addr)
	})
}

func TestACrashIsDetected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tills := startFive(t)
		defer stopAll(tills)
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
		tills[4].crash = true
		tills[4].stop()
		took := within(t, crashSeen, func() bool { return sees(tills[:4]...) }, "the crash is seen by all")
		require.Greater(t, took, 500*time.Millisecond, "it was no goodbye")
		t.Log("crash seen by all after", took)
	})
}

func TestLeavingIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tills := startFive(t)
		defer stopAll(tills)
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
		tills[4].stop()
		require.Less(t, within(t, 2*time.Second, func() bool { return sees(tills[:4]...) }, "gone"), time.Second)
		require.False(t, tills[4].State().Up)
		require.Empty(t, tills[4].Members())
	})
}

func TestASplitHeals(t *testing.T) {
	// Before and after the dead are forgotten (30 s).
	for name, apart := range map[string]time.Duration{"20 s": 20 * time.Second, "75 s": 75 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, tills := startFive(t)
				defer stopAll(tills)
				within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
				network.split(func(a netip.AddrPort) bool { return a.Addr().As4()[3] <= 3 })
				within(t, tillAlone, func() bool { return sees(tills[:3]...) && sees(tills[3:]...) }, "two halves")
				<-time.After(apart)
				require.True(t, sees(tills[:3]...) && sees(tills[3:]...))
				network.split(nil)
				took := within(t, 20*time.Second, func() bool { return sees(tills...) }, "one shop again")
				t.Log("one shop again after", took)
			})
		})
	}
}

func TestWakeRejoinsAtOnce(t *testing.T) {
	for range 5 { // without the hint it takes 5 to 10 s, now and then less
		synctest.Test(t, func(t *testing.T) {
			network, tills := startFive(t)
			defer stopAll(tills)
			within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
			network.split(func(a netip.AddrPort) bool { return a == gossipAddr(1) })
			within(t, tillAlone, func() bool { return sees(tills[1:]...) && sees(tills[0]) }, "one is alone")
			network.split(nil)
			tills[0].Wake()
			within(t, gossipTimeout+2*time.Second, func() bool { return sees(tills...) },
				"joined by the hint, once the joins begun in the dark have ended")
		})
	}
}

// asked tells when the library asks for the address to tell the others: once to see that there is one, and once for its
// own first word in its own list.
type asked struct {
	*testTransport
	address func()
}

func (a asked) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	a.address()
	return a.testTransport.FinalAdvertiseAddr(ip, port)
}

// TestNothingIsReadBeforeTheFirstWord: a till that is back at once still hears of its run before. If the library read that
// before its own first word it would be dead in its own list and end the program when it leaves.
func TestNothingIsReadBeforeTheFirstWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newTestNetwork()
		unread := make(chan int, 8)
		g := startGossip(t, network, 1, 1, func(c *GossipConfig) {
			c.Transport = func(*log.Logger) (memberlist.Transport, error) {
				transport := network.attach(gossipAddr(1))
				transport.packets <- &memberlist.Packet{Buf: []byte("of the run before"), From: net.UDPAddrFromAddrPort(gossipAddr(2))}
				return asked{transport, func() {
					synctest.Wait() // whoever would read has read
					unread <- len(transport.packets)
				}}, nil
			}
		})
		checked, own := <-unread, <-unread
		g.stop()
		require.Equal(t, []int{1, 1}, []int{checked, own})
	})
}

func TestRestartsAreSeenByTheirBootNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, tills := startFive(t)
		defer func() { stopAll(tills) }()
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
		boot := func(addr netip.AddrPort, want uint32) func() bool {
			return func() bool {
				for _, g := range tills[:4] {
					m := g.Members()
					if len(m) != 4 || m[3].Boot != want || m[3].Addr != addr {
						return false
					}
				}
				return sees(tills...)
			}
		}
		tills[4].crash = true
		tills[4].stop()
		tills[4] = startGossip(t, network, 5, 5, func(c *GossipConfig) { c.Boot = 900 })
		within(t, 10*time.Second, boot(gossipAddr(5), 900), "same address, within the detection time")

		tills[4].crash = true
		tills[4].stop()
		tills[4] = startGossip(t, network, 5, 5, func(c *GossipConfig) {
			c.Boot = 901
			c.Transport = func(*log.Logger) (memberlist.Transport, error) { return network.attach(gossipAddr(55)), nil }
			c.Advertise = func() netip.Addr { return gossipAddr(55).Addr() }
		})
		tills[4].addr = gossipAddr(55)
		// Its old address must be found dead first, then the next round of rejoining takes the new one.
		within(t, crashSeen+rejoinMost+gossipTimeout, boot(gossipAddr(55), 901), "another address after a crash")
	})
}

func TestANewAddressOfARunningTill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tills := startFive(t)
		defer stopAll(tills)
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
		tills[4].mu.Lock()
		tills[4].addr = gossipAddr(77)
		tills[4].mu.Unlock()
		tills[4].Wake()
		within(t, 15*time.Second, func() bool {
			for _, g := range tills[:4] {
				if m := g.Members(); len(m) != 4 || m[3].Addr != gossipAddr(77) {
					return false
				}
			}
			return sees(tills...)
		}, "known under the new address")
		require.Equal(t, gossipAddr(77), tills[4].State().Addr)
	})
}

func TestNoNetworkAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newTestNetwork()
		a := startGossip(t, network, 1, 2, nil)
		var noAddress atomic.Bool
		noAddress.Store(true)
		b := startGossip(t, network, 2, 2, func(c *GossipConfig) {
			c.Advertise = func() netip.Addr {
				if noAddress.Load() {
					return netip.Addr{}
				}
				return gossipAddr(2).Addr()
			}
		})
		b.mu.Lock()
		b.down = errors.New("no such device")
		b.mu.Unlock()
		defer stopAll([]*gossiper{a, b})
		<-time.After(time.Minute)
		synctest.Wait()
		require.False(t, b.State().Up)
		require.ErrorIs(t, b.State().Problem, errNoAddress)
		noAddress.Store(false)
		b.Wake()
		synctest.Wait()
		require.ErrorIs(t, b.State().Problem, b.down)
		b.mu.Lock()
		b.down = nil
		b.mu.Unlock()
		within(t, 25*time.Second, func() bool { return sees(a, b) }, "joined by itself")
		require.NoError(t, b.State().Problem)
	})
}

func TestForeignKeysShopsAndTillsStayOut(t *testing.T) {
	for name, change := range map[string]func(*GossipConfig){
		"another key":  func(c *GossipConfig) { c.Key = freshKey },
		"another shop": func(c *GossipConfig) { c.Shop = crdt.ShopID{9} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newTestNetwork()
				a := startGossip(t, network, 1, 2, nil)
				b := startGossip(t, network, 2, 2, change)
				defer stopAll([]*gossiper{a, b})
				<-time.After(time.Minute)
				require.Empty(t, a.Members())
				require.Empty(t, b.Members())
				require.Positive(t, b.State().JoinsFailed)
			})
		})
	}
	t.Run("not in the roster", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			network := newTestNetwork()
			only := func(n int) func(*GossipConfig) {
				return func(c *GossipConfig) { c.Allowed = func(till crdt.TillID) bool { return till == gossipTill(n) } }
			}
			a := startGossip(t, network, 1, 3, only(2))
			b := startGossip(t, network, 2, 3, only(1))
			revoked := startGossip(t, network, 3, 3, nil)
			defer stopAll([]*gossiper{a, b, revoked})
			within(t, 15*time.Second, func() bool { return sees(a, b) }, "the two see each other")
			<-time.After(time.Minute)
			require.True(t, sees(a, b), "and never the third")
		})
	})
}

func TestKeysRotateUnderTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tills := startFive(t)
		defer stopAll(tills)
		within(t, 15*time.Second, func() bool { return sees(tills...) }, "joined")
		step := func(primary []byte, others ...[]byte) {
			for _, g := range tills {
				require.NoError(t, g.SetKeys(primary, others...))
			}
			<-time.After(5 * time.Second)
			require.True(t, sees(tills...))
		}
		step(testKey, freshKey)
		step(freshKey, testKey)
		step(freshKey)
		require.Equal(t, [][]byte{freshKey}, tills[0].keys.GetKeys())

		// The last till is left out of the next rotation, as a revoked one is.
		for _, g := range tills[:4] {
			require.NoError(t, g.SetKeys(testKey))
		}
		within(t, tillAlone, func() bool { return sees(tills[:4]...) && sees(tills[4]) }, "cut off")
		require.NoError(t, tills[4].SetKeys(testKey))
		within(t, 20*time.Second, func() bool { return sees(tills...) }, "the key brings it back")
	})
}

func TestKeysMustBeWhole(t *testing.T) {
	cfg := GossipConfig{Till: gossipTill(1), Shop: testShop, Addresses: func() []Target { return nil }, LinkPort: 8481}
	_, err := NewGossip(cfg)
	require.ErrorContains(t, err, "key 0 has 0 bytes")
	cfg.Key = testKey
	g, err := NewGossip(cfg)
	require.NoError(t, err)
	require.ErrorContains(t, g.SetKeys(testKey, make([]byte, 16)), "key 1 has 16 bytes")
	require.Equal(t, [][]byte{testKey}, g.keys.GetKeys(), "nothing changed")
	require.NoError(t, g.SetKeys(freshKey, testKey))
	require.Equal(t, [][]byte{freshKey, testKey}, g.keys.GetKeys())
}
