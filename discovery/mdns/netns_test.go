//go:build netns

package mdns

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/netlab"
)

// lanTill is a till in its own process on its own host.
type lanTill struct {
	*netlab.Process
	host   *netlab.Host
	number int
	port   int
}

func startTill(h *netlab.Host, number, port int) *lanTill {
	p := h.StartWith([]string{
		"MDNS_ROLE=till", "MDNS_TILL=" + strconv.Itoa(number), "MDNS_PORT=" + strconv.Itoa(port),
	}, os.Args[0])
	return &lanTill{p, h, number, port}
}

// knows reports whether the newest thing that this till found out about other is where it listens now, and only that.
func (l *lanTill) knows(other *lanTill) bool {
	newest := ""
	for line := range strings.Lines(l.Output()) {
		if strings.HasPrefix(line, fmt.Sprintf("found %d ", other.number)) {
			newest = line
		}
	}
	at := netip.AddrPortFrom(other.host.Addr(), uint16(other.port))
	return newest == fmt.Sprintf("found %d %v\n", other.number, []netip.AddrPort{at})
}

// state returns the newest state line: peers, candidates, dropped, errors, announcing.
func (l *lanTill) state() []string {
	out := l.Output()
	at := strings.LastIndex(out, "state ")
	line, _, complete := strings.Cut(out[max(at, 0):], "\n")
	if at < 0 || !complete {
		return []string{"", "0", "0", "0", "0", "false"}
	}
	return strings.Fields(line)
}

func (l *lanTill) number32(t *testing.T, field int) int {
	t.Helper()
	n, err := strconv.Atoi(l.state()[field])
	require.NoError(t, err, "%v", l.state())
	return n
}

// requireAllKnow waits until each till knows each other.
func requireAllKnow(t *testing.T, within time.Duration, tills ...*lanTill) {
	t.Helper()
	start := time.Now()
	missing := ""
	netlab.Eventually(t, within, func() bool {
		missing = ""
		for _, a := range tills {
			for _, b := range tills {
				if a != b && !a.knows(b) {
					missing += fmt.Sprintf(" %d->%d", a.number, b.number)
				}
			}
		}
		return missing == ""
	}, "all know all; missing: %s", stringer(func() string { return missing }))
	t.Logf("%d tills know each other after %v", len(tills), time.Since(start).Round(time.Millisecond))
}

type stringer func() string

func (s stringer) String() string { return s() }

func TestLANHealsByItself(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	var tills []*lanTill
	for i := range 5 {
		h := lab.Host("till" + strconv.Itoa(i))
		if i == 4 {
			h.CablePull()
		}
		tills = append(tills, startTill(h, i, 8481))
	}
	requireAllKnow(t, 15*time.Second, tills[:4]...)
	// The fifth has tried for a while, and failed, before it gets a link.
	netlab.Eventually(t, 10*time.Second, func() bool { return tills[4].number32(t, 4) > 0 }, "till 4 notices that it has no link")
	require.Equal(t, "false", tills[4].state()[5])

	// Four causes at once; each must heal whatever else goes on.
	tills[4].host.CablePlug()
	tills[1].Kill()
	tills[1] = startTill(tills[1].host, 1, 9481)
	tills[2].host.ChangeAddress(netip.MustParseAddr("10.77.0.77"))
	tills[3].host.RemoveNIC()
	netlab.Eventually(t, 15*time.Second, func() bool { return tills[3].state()[5] == "false" }, "till 3 notices that its adapter is gone")
	tills[3].host.RecreateNIC()
	requireAllKnow(t, 30*time.Second, tills...)

	// A guest without a shop sees the shop of these tills.
	guest := lab.Host("guest").StartWith([]string{"MDNS_ROLE=guest"}, os.Args[0])
	require.NoError(t, guest.Wait(10*time.Second))
	require.Equal(t, fmt.Sprintf("shop %s 5\n", shopID(1)), guest.Output())
}

func TestLANFlood(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	a, b := startTill(lab.Host("a"), 0, 8481), startTill(lab.Host("b"), 1, 8481)
	evil, late := lab.Host("evil"), lab.Host("late")
	requireAllKnow(t, 15*time.Second, a, b)

	flood := evil.StartWith([]string{"MDNS_ROLE=flood"}, os.Args[0])
	require.NoError(t, flood.Wait(20*time.Second), "the flood")
	netlab.Eventually(t, 10*time.Second, func() bool { return a.number32(t, 3) > 0 }, "the flood is refused")
	requireAllKnow(t, time.Second, a, b)
	for _, l := range []*lanTill{a, b} {
		require.LessOrEqual(t, l.number32(t, 1), discovery.MaxEntries)
		require.LessOrEqual(t, l.number32(t, 2), 5*maxCandidates, "a few browses with at most maxCandidates each")
	}
	c := startTill(late, 2, 8481)
	requireAllKnow(t, 45*time.Second, a, b, c)
	t.Logf("state of till 0: %v", a.state())
}

// TestLANOneMachine runs TestOneMachine on a host without a network.
func TestLANOneMachine(t *testing.T) {
	t.Parallel()
	h := netlab.New(t).Host("alone")
	h.CablePull()
	p := h.StartWith([]string{"MDNS_ROLE=one-machine"}, os.Args[0], "-test.run=^TestOneMachine$", "-test.v")
	require.NoError(t, p.Wait(30*time.Second), stringer(p.Output))
	require.Contains(t, p.Output(), "--- PASS: TestOneMachine")
}

// TestOneMachine lets two finders with real sockets find each other by loopback. Its TestMain sees whether a goroutine
// of theirs or of the library is left.
func TestOneMachine(t *testing.T) {
	if os.Getenv("MDNS_ROLE") != "one-machine" {
		t.Skip("runs on a host of TestLANOneMachine")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var announcing sync.WaitGroup
	var found []<-chan discovery.Candidate
	for n := range 2 {
		f := New(Options{Iface: "lo", Loopback: true})
		s := self(n)
		s.Port += uint16(n)
		announcing.Go(func() { assert.NoError(t, f.Announce(ctx, s)) })
		found = append(found, f.Watch(ctx))
	}
	for n, ch := range found {
		select {
		case c := <-ch:
			require.Equal(t, till(1-n), c.Till)
			require.Contains(t, c.Addrs, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(8482-n)))
		case <-time.After(15 * time.Second):
			require.Fail(t, "nothing found")
		}
	}
	cancel()
	announcing.Wait()
	for _, ch := range found {
		for range ch { // until it is closed
		}
	}
}
