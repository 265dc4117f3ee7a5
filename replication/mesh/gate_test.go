package mesh

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGateBoundsAllSourcesTogether(t *testing.T) {
	now := time.Unix(1000, 0)
	g := gate{most: 3, perSource: 2}
	enter := func(source string) func() {
		t.Helper()
		leave, err := g.enter(source, now)
		require.NoError(t, err)
		return leave
	}
	first := enter("a")
	enter("a")
	_, err := g.enter("a", now)
	require.ErrorIs(t, err, errBusy, "one source takes no more")
	enter("b")
	_, err = g.enter("c", now)
	require.ErrorIs(t, err, errBusy, "nor do all together")

	// A till of the shop is let in whatever strangers do.
	g.trust("till")
	leave := enter("till")
	enter("till")
	_, err = g.enter("till", now)
	require.ErrorIs(t, err, errBusy, "but not without bound")
	leave()
	leave()
	enter("till")

	first()
	first()
	enter("c")
	_, err = g.enter("d", now)
	require.ErrorIs(t, err, errBusy, "a place is given back once")
}

func TestGateBoundsHowOftenASourceComes(t *testing.T) {
	now := time.Unix(1000, 0)
	g := gate{most: 1 << 20, perSource: 1 << 20, perSecond: 5}
	for range 5 {
		_, err := g.enter("a", now)
		require.NoError(t, err)
	}
	_, err := g.enter("a", now)
	require.ErrorIs(t, err, errTooFast)
	_, err = g.enter("b", now)
	require.NoError(t, err)
	_, err = g.enter("a", now.Add(time.Second))
	require.NoError(t, err)
	_, err = g.enter("a", now.Add(-time.Hour))
	require.NoError(t, err, "a clock that was put back keeps nobody out")

	for n := range 10 * maxSources {
		leave, err := g.enter(fmt.Sprint(n), now)
		if err == nil {
			leave()
		}
	}
	require.LessOrEqual(t, len(g.calls), maxSources+1)
	require.Len(t, g.bySource, 2, "nothing is kept about who has left")
	for n := range 10 * maxSources {
		g.trust(fmt.Sprint(n))
	}
	require.LessOrEqual(t, len(g.proven), maxSources)
}

func TestStrangersKeepsTheWorst(t *testing.T) {
	var s strangers
	now := time.Unix(1000, 0)
	reason := errors.New("because")
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	for range 100 {
		s.note(address(1), reason, now)
	}
	for n := range 10_000 {
		s.note(address(n), reason, now.Add(time.Duration(n)))
	}
	s.note(netip.Addr{}, reason, now)
	all := s.all()
	require.Len(t, all, maxStrangers)
	require.Equal(t, address(1), all[0].Addr)
	require.Equal(t, uint64(101), all[0].Refused)
	require.Equal(t, "because", all[0].Reason)
	require.Equal(t, now, all[0].First)
}

func TestSourcesOfConnections(t *testing.T) {
	require.Equal(t, "10.0.0.1", sourceOf(&net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 7}))
	require.Equal(t, "fe80::1%eth0", sourceOf(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth0"}))
	near, far := net.Pipe()
	require.Equal(t, "pipe", sourceOf(near.LocalAddr()))
	require.NoError(t, errors.Join(near.Close(), far.Close()))
}

func TestZones(t *testing.T) {
	var z zones
	plain, local := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::7")
	require.Equal(t, []netip.Addr{plain}, z.of(plain))
	require.Equal(t, []netip.Addr{local.WithZone("x")}, z.of(local.WithZone("x")))
	require.NotEmpty(t, z.of(local), "every interface may lead there")
	z.learn(plain)
	z.learn(local.WithZone("eth9"))
	require.Equal(t, []netip.Addr{local.WithZone("eth9")}, z.of(local), "it was heard there")
	for n := range 10 * maxZones {
		z.learn(netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(n >> 8), 15: byte(n)}).WithZone("eth0"))
	}
	require.LessOrEqual(t, len(z.known), maxZones)
}
