package mdns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grandcat/zeroconf"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
)

// watching runs Watch in a bubble; end stops it and returns what was not read yet.
func watching(t *testing.T, o Options) (f *Finder, found <-chan discovery.Candidate, end func() []discovery.Candidate) {
	f = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	found = f.Watch(ctx)
	synctest.Wait()
	return f, found, func() (rest []discovery.Candidate) {
		cancel()
		for c := range found {
			rest = append(rest, c)
		}
		return rest
	}
}

func (n *fakeNetwork) put(entries ...*zeroconf.ServiceEntry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries = entries
}

func (n *fakeNetwork) pauses() (out []time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 1; i < len(n.browsed); i++ {
		out = append(out, n.browsed[i].Sub(n.browsed[i-1]))
	}
	return out
}

func TestWatchBrowsesAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{eth0}}
		var finder atomic.Pointer[Finder]
		var asked, blind atomic.Int32 // between two browses
		draw := func() float64 {      // for the length of the next one
			if f := finder.Load(); f != nil {
				asked.Add(1)
				if !f.Stats().Watching {
					blind.Add(1)
				}
			}
			return middle()
		}
		f, found, end := watching(t, Options{List: i.get, Random: draw, network: n})
		finder.Store(f)
		require.True(t, f.Stats().Watching)
		after(14 * time.Second)
		require.Positive(t, asked.Load())
		require.Zero(t, blind.Load())
		require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second}, n.pauses(), "alone")

		n.put(answer(1, "192.168.1.9"))
		after(time.Second)
		require.Equal(t, discovery.Candidate{
			Till: till(1), Shop: shopID(1), Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.168.1.9:8481")},
			Source: discovery.SourceMDNS, SeenAt: time.Now(),
		}, <-found)
		after(20 * time.Second)
		require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second}, n.pauses()[3:5], "with company")

		n.put(answers(9)...)
		after(40 * time.Second)
		require.Equal(t, 22*time.Second, n.pauses()[len(n.pauses())-1], "1 that was here, 9 that are, and us")
		n.put()
		after(10 * time.Minute)
		require.Equal(t, 5*time.Second, n.pauses()[len(n.pauses())-1], "alone again")
		require.NotEmpty(t, end())
		require.Equal(t, f.Stats().Browses, uint64(len(n.browsed)))
		require.False(t, f.Stats().Watching)
	})
}

func TestPeriods(t *testing.T) {
	for others, want := range map[int]time.Duration{0: 5, 1: 10, 4: 10, 5: 12, 9: 20, 14: 30, 255: 30} {
		require.Equal(t, want*time.Second, basePeriod(others), "%d others", others)
	}
	require.EqualValues(t, ExpireAfter, 3*maxPeriod*12/10)
	for random, want := range map[float64]time.Duration{0: 4000, 0.5: 5000, 1: 6000} {
		w := &watch{finder: New(Options{Random: func() float64 { return random }})}
		require.InDelta(t, want*time.Millisecond, w.period(time.Now()), 1000)
	}
}

func TestWatchFollowsTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{}
		n.put(answer(1, "192.168.1.9"))
		f, _, end := watching(t, Options{List: i.get, Random: middle, network: n})
		after(time.Hour)
		require.Empty(t, n.browsed)
		require.Contains(t, f.Stats().WatchError, "no network")
		i.set(nil, eth0)
		after(5 * time.Second)
		require.EqualValues(t, 1, f.Stats().Browses)
		require.Empty(t, f.Stats().WatchError)
		i.set(nil, nic("usb0", 7, "192.168.1.5/24"))
		after(5 * time.Second)
		require.Equal(t, [][]string{{"eth0"}, {"usb0"}}, n.on, "long before the period is over")
		n.mu.Lock()
		n.fail = errBreak
		n.mu.Unlock()
		after(10 * time.Second)
		require.Equal(t, errBreak.Error(), f.Stats().WatchError)
		end()
		require.Empty(t, f.Stats().WatchError)
	})
}

func TestWatchUsesTheChosenInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lo := nic("lo", 1, "127.0.0.1/8")
		lo.Flags = net.FlagUp | net.FlagRunning | net.FlagLoopback
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{nic("wlan0", 4, "10.0.0.5/24"), lo, eth0}}
		for _, o := range []Options{{}, {Iface: "eth0"}, {Loopback: true}, {Iface: "lo"}} {
			o.List, o.network, o.Random = i.get, n, middle
			f, _, end := watching(t, o)
			if o.Iface == "lo" {
				require.Contains(t, f.Stats().WatchError, "interface lo is missing")
			}
			end()
		}
		require.Equal(t, [][]string{{"eth0", "wlan0"}, {"eth0"}, {"eth0", "lo", "wlan0"}}, n.on)
	})
}

func TestWatchDoesNotReportSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{eth0}}
		n.put(answer(1, "192.168.1.5"), answer(2, "192.168.1.9"))
		f, endAnnounce := announcing(t, n, i, self(1))
		ctx, cancel := context.WithCancel(t.Context())
		found := f.Watch(ctx)
		require.Equal(t, till(2), (<-found).Till)
		synctest.Wait()
		require.Empty(t, found)
		cancel()
		require.NoError(t, endAnnounce())
		synctest.Wait()
	})
}

func TestWatchIsBoundedInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{eth0}}
		n.put(answers(20_000)...)
		f, found, end := watching(t, Options{List: i.get, Random: middle, network: n})
		require.Len(t, found, maxCandidates)
		require.EqualValues(t, maxInstances-maxCandidates, f.Stats().Dropped, "the rest was not even looked at")
		require.Empty(t, n.pauses())
		after(4 * time.Second)
		require.Empty(t, n.pauses(), "no new browse before its time")
		after(2 * time.Minute)
		require.LessOrEqual(t, n.pauses()[len(n.pauses())-1], maxPeriod, "made-up tills do not slow us down for ever")
		require.Len(t, end(), maxCandidates, "a reader that does not read holds nobody up")
		require.Greater(t, len(n.browsed), 2)
	})
}

func TestCandidateRefusesWhatIsMalformed(t *testing.T) {
	on := []discovery.Interface{eth0}
	for name, change := range map[string]func(e *zeroconf.ServiceEntry){
		"no text":          func(e *zeroconf.ServiceEntry) { e.Text = nil },
		"other version":    func(e *zeroconf.ServiceEntry) { e.Text[0] = "v=2" },
		"no till":          func(e *zeroconf.ServiceEntry) { e.Text[1] = "t" },
		"huge till":        func(e *zeroconf.ServiceEntry) { e.Text[1] = "t=" + strings.Repeat("a", 60000) },
		"upper-case till":  func(e *zeroconf.ServiceEntry) { e.Text[1] = strings.ToUpper(e.Text[1]) },
		"till in bad form": func(e *zeroconf.ServiceEntry) { e.Text[1] = "t=" + strings.Repeat("!", 52) },
		"no shop":          func(e *zeroconf.ServiceEntry) { e.Text[2] = "s=" },
		"port 0":           func(e *zeroconf.ServiceEntry) { e.Text[3] = "p=0" },
		"port too large":   func(e *zeroconf.ServiceEntry) { e.Text[3] = "p=65536" },
		"no address":       func(e *zeroconf.ServiceEntry) { e.AddrIPv4 = nil },
		"odd addresses": func(e *zeroconf.ServiceEntry) {
			e.AddrIPv4 = []net.IP{nil, {1, 2, 3}, net.IPv4zero, net.IPv4(224, 0, 0, 1), net.IPv4(127, 0, 0, 1)}
		},
	} {
		e := answer(1, "192.168.1.9")
		_, err := candidate(e, on, false)
		require.NoError(t, err)
		change(e)
		_, err = candidate(e, on, false)
		require.Error(t, err, name)
	}
	e := answer(1, "192.168.1.9")
	e.Text = append(e.Text, "later=field", "t=second", "")
	c, err := candidate(e, on, false)
	require.NoError(t, err, "a newer till may say more")
	require.Equal(t, till(1), c.Till)
}

func TestDialableAddresses(t *testing.T) {
	on := []discovery.Interface{eth0, nic("wlan0", 3, "fe80::9/64")}
	ips := func(list ...string) (out []net.IP) {
		for _, s := range list {
			out = append(out, net.ParseIP(s))
		}
		return out
	}
	text := func(list []netip.Addr) (out []string) {
		for _, a := range list {
			out = append(out, a.String())
		}
		return out
	}
	require.Equal(t, []string{"10.0.0.1", "fd00::1"}, text(dialable(ips("10.0.0.1"), ips("fe80::1", "fd00::1"), on, false)))
	require.Equal(t, []string{"fe80::1%eth0", "fe80::1%wlan0"}, text(dialable(nil, ips("fe80::1"), on, false)))
	require.Equal(t, []string{"127.0.0.1"}, text(dialable(ips("127.0.0.1"), nil, on, true)))
	many := make([]net.IP, 100)
	for i := range many {
		many[i] = net.IPv4(10, 0, 0, byte(i+1))
	}
	require.Len(t, dialable(many, nil, on, false), discovery.MaxAddresses)
}
