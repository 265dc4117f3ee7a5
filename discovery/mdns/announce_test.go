package mdns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

// announcing runs Announce in a bubble with the given interfaces and returns a function that ends it.
func announcing(t *testing.T, n *fakeNetwork, i *fakeInterfaces, s discovery.Self) (f *Finder, end func() error) {
	f = New(Options{List: i.get, Random: middle, network: n})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Announce(ctx, s) }()
	synctest.Wait()
	return f, func() error { cancel(); return <-done }
}

func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{eth0}}
		f, end := announcing(t, n, i, self(1))
		id := till(1).String()
		require.Equal(t, []announcement{{
			instance: "till-" + id[:20],
			port:     8481,
			ips:      []string{"192.168.1.5"},
			text:     []string{"v=1", "t=" + id, "s=" + shopID(1).String(), "p=8481", "r=0.1.0"},
		}}, n.announced)
		require.True(t, f.Stats().Announcing)
		require.Equal(t, []string{"eth0"}, f.Stats().Interfaces)

		after(time.Hour)
		require.Len(t, n.announced, 1, "nothing changed")
		require.NoError(t, end())
		require.Len(t, n.stopped, 1)
		require.Equal(t, Stats{Announcements: 1, Interfaces: []string{"eth0"}}, f.Stats())
	})
}

func TestAnnounceDoesNotSayGoodbyeBeforeItSaidHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{}
		_, end := announcing(t, n, &fakeInterfaces{list: []discovery.Interface{eth0}}, self(1))
		after(time.Second)
		require.NoError(t, end())
		require.Equal(t, minServerLife, n.stopped[0].Sub(n.started[0]))
	})
}

func TestAnnounceFollowsTheNetwork(t *testing.T) {
	usb := nic("usb0", 3, "192.168.1.5/24")
	for name, change := range map[string][]discovery.Interface{
		"another address":    {nic("eth0", 2, "192.168.1.77/24")},
		"one more address":   {nic("eth0", 2, "192.168.1.5/24", "192.168.1.6/24")},
		"another index":      {nic("usb0", 9, "192.168.1.5/24")},
		"one more interface": {usb, nic("wlan0", 4, "10.0.0.5/24")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{usb}}
				f, end := announcing(t, n, i, self(1))
				after(time.Minute + time.Second)
				i.set(nil, change...)
				after(5 * time.Second)
				require.Len(t, n.announced, 2)
				require.Equal(t, describe(self(1), change), n.announced[1])
				require.Equal(t, 1, n.most, "the goodbye of the old server must not come after the new one's hello")
				require.NoError(t, end())
				require.EqualValues(t, 2, f.Stats().Announcements)
				require.Len(t, n.stopped, 2)
			})
		})
	}
}

func TestAnnounceWaitsForANetwork(t *testing.T) {
	down, noLink := eth0, eth0
	down.Flags &^= net.FlagUp
	noLink.Flags &^= net.FlagRunning
	lo := nic("lo", 1, "127.0.0.1/8")
	lo.Flags |= net.FlagLoopback
	synctest.Test(t, func(t *testing.T) {
		n, i := &fakeNetwork{}, &fakeInterfaces{list: []discovery.Interface{down, noLink, lo, nic("eth1", 5)}}
		f, end := announcing(t, n, i, self(1))
		after(time.Hour)
		require.Empty(t, n.announced)
		require.False(t, f.Stats().Announcing)
		require.Contains(t, f.Stats().AnnounceError, "no network")
		i.set(nil, eth0)
		n.mu.Lock()
		n.fail = errBreak
		n.mu.Unlock()
		after(5 * time.Second)
		require.Equal(t, errBreak.Error(), f.Stats().AnnounceError)
		n.mu.Lock()
		n.fail = nil
		n.mu.Unlock()
		after(5 * time.Second)
		require.Len(t, n.announced, 1)
		require.Empty(t, f.Stats().AnnounceError)

		errorsBefore := f.Stats().Errors
		i.set(errBreak)
		after(time.Minute)
		require.True(t, f.Stats().Announcing, "a list that cannot be read says nothing")
		require.Greater(t, f.Stats().Errors, errorsBefore)
		i.set(nil)
		after(5 * time.Second)
		require.False(t, f.Stats().Announcing)
		require.NoError(t, end())
		require.Empty(t, f.Stats().AnnounceError)
	})
}

func TestAnnounceRefusesWhatWouldStayInvisible(t *testing.T) {
	f := New(Options{network: &fakeNetwork{}})
	for want, change := range map[string]func(*discovery.Self){
		"till and shop":    func(s *discovery.Self) { s.Till = crdt.TillID{} },
		"shop must be":     func(s *discovery.Self) { s.Shop = crdt.ShopID{} },
		"link port":        func(s *discovery.Self) { s.Port = 0 },
		"more than 64":     func(s *discovery.Self) { s.Version = strings.Repeat("1", 65) },
		"others than":      func(s *discovery.Self) { s.Version = "Kasse 1" },
		`version "\x00\n"`: func(s *discovery.Self) { s.Version = "\x00\n" },
	} {
		s := self(1)
		change(&s)
		require.ErrorContains(t, f.Announce(t.Context(), s), want)
	}
	longest := self(1)
	longest.Port, longest.Version = 65535, strings.Repeat("x", 64)
	require.NoError(t, check(longest))
}

func TestAnnouncedAddresses(t *testing.T) {
	two := []discovery.Interface{
		nic("eth0", 2, "192.168.1.5/24", "192.168.1.6/24", "fd00::5/64", "fe80::5/64"),
		nic("eth1", 3, "fe80::6/64", "fe80::7/64"),
	}
	require.Equal(t, []string{"192.168.1.5", "fd00::5", "fe80::6"}, describe(self(1), two).ips)
	s := self(1)
	s.Addrs = []netip.Addr{netip.MustParseAddr("::ffff:10.1.1.1"), netip.MustParseAddr("fe80::1%eth0")}
	require.Equal(t, []string{"10.1.1.1", "fe80::1"}, describe(s, two).ips)
	s.Addrs = make([]netip.Addr, 40)
	require.Len(t, describe(s, two).ips, maxIPs)
}
