package discovery_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

var (
	start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	lan   = []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24"), netip.MustParsePrefix("fe80::5/64")}
)

func addrs(list ...string) (out []netip.AddrPort) {
	for _, s := range list {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

func seen(source string, id byte, list ...string) discovery.Candidate {
	return discovery.Candidate{Till: till(id), Shop: shop(1), Addrs: addrs(list...), Source: source}
}

func newTable() *discovery.Table {
	return discovery.NewTable(discovery.Self{Till: till(99), Shop: shop(1), Port: 8481})
}

func TestTableMergesSourcesAndPutsOwnSubnetFirst(t *testing.T) {
	tab := newTable()
	require.True(t, tab.Add(seen(discovery.SourceMDNS, 1, "10.0.0.9:8481", "192.168.1.9:8481"), start))
	require.True(t, tab.Add(seen(discovery.SourceRemembered, 1, "172.16.0.9:8481", "192.168.1.9:8481"), start.Add(-time.Hour)))
	require.True(t, tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:9999"), start.Add(time.Second)))

	peers := tab.Peers(lan)
	require.Len(t, peers, 1)
	require.Equal(t, discovery.Peer{
		Till: till(1), Shop: shop(1), SeenAt: start.Add(time.Second),
		Addrs:   addrs("192.168.1.9:8481", "192.168.1.9:9999", "172.16.0.9:8481", "10.0.0.9:8481"),
		Sources: []string{discovery.SourceRemembered, discovery.SourceMDNS},
	}, peers[0])
	require.Equal(t, peers[0].Addrs, tab.Addrs(till(1), lan))
	require.Empty(t, tab.Addrs(till(2), lan))
}

func TestForgedAddressesDoNotGoBeforeWhatWorked(t *testing.T) {
	tab := newTable()
	require.True(t, tab.Add(seen(discovery.SourceRemembered, 1, "192.168.1.9:8481"), start.Add(-time.Hour)))
	require.True(t, tab.Add(seen(discovery.SourceGossip, 1, "192.168.1.8:8481"), start))
	for n := range 100 {
		forged := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(100 + n)}), 1)
		tab.Add(seen(discovery.SourceMDNS, 1, forged.String()), start.Add(time.Duration(n)*time.Second))
	}
	list := tab.Addrs(till(1), lan)
	require.Len(t, list, discovery.MaxAddresses)
	require.Equal(t, addrs("192.168.1.9:8481", "192.168.1.8:8481"), list[:2])
}

func TestTableNeverReturnsSelf(t *testing.T) {
	tab := newTable()
	require.False(t, tab.Add(seen(discovery.SourceMDNS, 99, "192.168.1.5:8481"), start))
	require.True(t, tab.Add(discovery.Candidate{
		Addrs: addrs("192.168.1.5:8481", "192.168.1.5:9000"), Source: discovery.SourceManual,
	}, start))
	peers := tab.Peers(lan)
	require.Len(t, peers, 1, "an unknown till under our own address and port is us, under another port it is not")
	require.Equal(t, addrs("192.168.1.5:9000"), peers[0].Addrs)
	require.True(t, peers[0].Till.IsZero())
}

func TestTableRefusesWhatCannotBeDialled(t *testing.T) {
	tab := newTable()
	require.False(t, tab.Add(seen(discovery.SourceMDNS, 1, "0.0.0.0:1", "224.0.0.251:5353", "10.0.0.1:0"), start))
	require.False(t, tab.Add(seen("rumour", 1, "10.0.0.1:1"), start))
	require.Empty(t, tab.Peers(lan))
	require.EqualValues(t, 4, tab.Dropped())
}

func TestTableExpiresWhatFindersRepeat(t *testing.T) {
	tab := newTable()
	tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:1", "192.168.1.9:2"), start)
	tab.Add(seen(discovery.SourceManual, 2, "192.168.1.9:3"), start)
	tab.Add(seen(discovery.SourceRemembered, 3, "192.168.1.9:4"), start)
	tab.Add(seen(discovery.SourceGossip, 4, "192.168.1.9:5"), start)
	tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:2"), start.Add(20*time.Second))

	tab.Expire(start.Add(30*time.Second), 30*time.Second)
	require.Len(t, tab.Peers(lan), 4, "exactly as old as allowed")
	tab.Expire(start.Add(31*time.Second), 30*time.Second)
	require.Equal(t, addrs("192.168.1.9:2"), tab.Addrs(till(1), lan))
	require.Empty(t, tab.Addrs(till(2), lan))
	require.NotEmpty(t, tab.Addrs(till(3), lan))
	require.NotEmpty(t, tab.Addrs(till(4), lan))

	tab.Remove(discovery.SourceGossip, till(4))
	require.Empty(t, tab.Addrs(till(4), lan))
}

func TestTableSurvivesAClockPutBack(t *testing.T) {
	tab := newTable()
	tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:1"), start)
	back := start.Add(-24 * time.Hour)
	tab.Expire(back, time.Minute)
	require.NotEmpty(t, tab.Addrs(till(1), lan))
	tab.Expire(back.Add(2*time.Minute), time.Minute)
	require.Empty(t, tab.Addrs(till(1), lan), "it does not stay for the whole day")
}

func manyTills(n int, of byte) (out []discovery.Candidate) {
	for i := range n {
		c := seen(discovery.SourceMDNS, 0, "192.168.1.9:1")
		c.Shop = shop(of)
		c.Till = crdt.TillID{7: of}
		binary.BigEndian.PutUint32(c.Till[:], uint32(i+1000))
		out = append(out, c)
	}
	return out
}

func TestTableIsBoundedInAFlood(t *testing.T) {
	tab := newTable()
	require.True(t, tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:1"), start))
	for _, c := range manyTills(10_000, 2) {
		tab.Add(c, start.Add(time.Second))
	}
	require.Len(t, tab.Peers(lan), discovery.MaxEntries)
	require.NotEmpty(t, tab.Addrs(till(1), lan), "who was there stays")
	require.EqualValues(t, 10_000-discovery.MaxEntries+1, tab.Dropped())
	require.True(t, tab.Add(seen(discovery.SourceMDNS, 2, "192.168.1.8:1"), start), "our shop goes before others")
	require.True(t, tab.Add(seen(discovery.SourceManual, 3, "192.168.1.7:1"), start), "sources do not share a limit")
	for _, c := range manyTills(300, 1) {
		tab.Add(c, start)
	}
	require.False(t, tab.Add(seen(discovery.SourceMDNS, 4, "192.168.1.6:1"), start), "among our own nobody is pushed out")
	require.NotEmpty(t, tab.Addrs(till(1), lan))
}

func TestTableForgedAddressesDoNotPushOutOtherSources(t *testing.T) {
	tab := newTable()
	tab.Add(seen(discovery.SourceRemembered, 1, "10.9.9.9:8481"), start)
	forged := seen(discovery.SourceMDNS, 1)
	for port := range uint16(100) {
		forged.Addrs = append(forged.Addrs, netip.AddrPortFrom(netip.MustParseAddr("192.168.1.66"), port+1))
	}
	tab.Add(forged, start.Add(time.Second))
	got := tab.Addrs(till(1), lan)
	require.Len(t, got, discovery.MaxAddresses)
	require.Contains(t, got, addrs("10.9.9.9:8481")[0])

	tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:8481"), start.Add(2*time.Second))
	require.Equal(t, addrs("192.168.1.9:8481")[0], tab.Addrs(till(1), lan)[0], "a newer one takes the place of the oldest")
}

func TestTableForgedShopDoesNotDisownATill(t *testing.T) {
	tab := newTable()
	forged := seen(discovery.SourceMDNS, 1, "192.168.1.66:1")
	forged.Shop = shop(2)
	tab.Add(forged, start)
	require.Equal(t, shop(2), tab.Peers(lan)[0].Shop)
	tab.Add(seen(discovery.SourceMDNS, 1, "192.168.1.9:1"), start)
	tab.Add(forged, start)
	require.Equal(t, shop(1), tab.Peers(lan)[0].Shop)
}
