//go:build netns

package nodetest_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/discovery/netlab"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// cloudPort is where every host finds the cloud, at an address of its own machine: a line of the test carries it there. So each till has
// an internet of its own, whatever happens to the LAN.
const cloudPort = 8490

// side is a part of a LAN that is split.
type side []int

// wall is what splits a LAN.
type wall struct {
	t          *testing.T
	lan        *lan
	one, other side
	holes      []hole
}

// hole is an address that a host cannot reach.
type hole struct {
	at *netlab.Host
	to netip.Addr
}

// split keeps the hosts of two sides from hearing each other. Multicast has to be blocked.
func (l *lan) split(t *testing.T, one, other side) *wall {
	t.Helper()
	w := &wall{t: t, lan: l, one: one, other: other}
	for _, i := range append(slices.Clone(one), other...) {
		w.hide(i, l.hosts[i].Addr())
	}
	return w
}

// hide keeps an address of a host from those of the other side.
func (w *wall) hide(i int, addr netip.Addr) {
	w.t.Helper()
	from := w.one
	if slices.Contains(w.one, i) {
		from = w.other
	}
	for _, k := range from {
		h := hole{w.lan.hosts[k], addr}
		h.route(w.t, "add")
		w.holes = append(w.holes, h)
	}
}

func (h hole) route(t *testing.T, verb string) {
	t.Helper()
	out, err := h.at.Run("ip", "route", verb, "blackhole", h.to.String()+"/32")
	require.NoError(t, err, "%s", out)
}

// move gives a host another address; the wall stands.
func (w *wall) move(i int, to string) {
	w.t.Helper()
	w.hide(i, netip.MustParseAddr(to))
	w.lan.hosts[i].ChangeAddress(netip.MustParseAddr(to))
}

// noticed waits until no till has a link through the wall, and one of each side is connected with the cloud. Those of one side need not
// have a link: where both have moved and multicast is blocked, neither can know where the other is.
func (w *wall) noticed() {
	w.t.Helper()
	for _, s := range []struct{ own, beyond side }{{w.one, w.other}, {w.other, w.one}} {
		var beyond []string
		for _, till := range w.lan.of(s.beyond) {
			beyond = append(beyond, till.Name)
		}
		nodetest.Eventually(w.t, time.Minute, "the tills notice the split", func() error {
			connected := false
			for _, till := range w.lan.of(s.own) {
				linked := linkedWith(w.t, till)
				if slices.ContainsFunc(linked, func(name string) bool { return slices.Contains(beyond, name) }) {
					return fmt.Errorf("%s is linked with %v", till.Name, linked)
				}
				state, err := till.API().Cloud(w.t.Context())
				if err != nil {
					return err
				}
				connected = connected || state.Connected
			}
			if !connected {
				return fmt.Errorf("nobody of %v is connected with the cloud", s.own)
			}
			return nil
		})
	}
}

// fall ends the split.
func (w *wall) fall() {
	w.t.Helper()
	for _, h := range w.holes {
		h.route(w.t, "del")
	}
}

// of returns the tills of a side.
func (l *lan) of(s side) (list []*nodetest.Till) {
	for _, i := range s {
		list = append(list, l.shop.Tills[i])
	}
	return list
}

// TestTwoUplinksOnASplitLAN is the rest of scenario 8: many receipts are pending over lines that are slow and lose 30 % of the answers
// after a commit; the LAN splits and heals twice while multicast is blocked and addresses change. Both sides forward, and all tills are
// one again within 30 s of each heal.
func TestTwoUplinksOnASplitLAN(t *testing.T) {
	pending := 400
	if os.Getenv(nodetest.EnvFull) == "1" {
		pending = 10_000
	}
	l := newLAN(t)
	first := l.shop.Found()
	for len(l.shop.Tills) < 4 {
		l.shop.Join(first)
	}
	l.shop.Equal()
	cloud := l.shop.NewCloud(database.Options{})
	cloud.Serve()
	var lines []*nodetest.Line
	for _, host := range l.hosts {
		listener, err := nodetest.Listen(host, cloudPort)
		require.NoError(t, err)
		lines = append(lines, nodetest.LineFrom(t, listener, cloud.Addresses()...))
	}
	f := forward(t, l.shop, cloud, "http://127.0.0.1:8490")
	for _, line := range lines {
		line.Cut()
	}
	f.sell(pending, l.shop.Tills...)
	sold := 1 + pending
	l.shop.Equal()
	require.Len(t, cloud.Archived(f.account), 1)

	l.lab.BlockMulticast()
	begin := time.Now()
	for _, line := range lines {
		line.Worsen(20*time.Millisecond, 0.3)
		line.Mend()
	}
	for n, s := range []struct {
		one, other side
		moves      map[int]string // to which address hosts move while the LAN is split
	}{
		{side{0, 1}, side{2, 3}, map[int]string{2: "10.77.0.103"}},
		{side{0, 2}, side{1, 3}, map[int]string{1: "10.77.0.102", 3: "10.77.0.104"}},
	} {
		w := l.split(t, s.one, s.other)
		for i, to := range s.moves {
			w.move(i, to)
		}
		for _, seller := range [][]*nodetest.Till{l.of(s.one), l.of(s.other)} {
			f.sell(10, seller...)
			sold += 10
		}
		w.noticed()
		held := f.awaitArchive(sold)
		t.Logf("split %d: %d receipts of both sides are in the archive %v after it began", n+1, held, time.Since(begin).Round(time.Millisecond))
		w.fall()
		t.Logf("split %d: all are one %v after it healed", n+1, l.shop.EqualWithin(oneAgain).Round(time.Millisecond))
		begin = time.Now()
	}
	l.lab.AllowMulticast()
	lost := 0
	for _, line := range lines {
		lost += line.Dropped()
		line.Worsen(0, 0)
	}
	t.Logf("%d answers were lost", lost)
	require.Positive(t, lost)
	f.complete()
}
