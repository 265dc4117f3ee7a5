package health_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/health"
)

// lan are tills with links between some and addresses that some can reach.
type lan struct {
	links   map[[2]byte]bool // both directions
	reaches map[[2]byte]bool // from, to
	tills   map[byte]*health.Answerer
}

func at(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, n}), 8481)
}

func newLAN(n byte) *lan {
	l := &lan{links: map[[2]byte]bool{}, reaches: map[[2]byte]bool{}, tills: map[byte]*health.Answerer{}}
	for i := byte(1); i <= n; i++ {
		l.tills[i] = &health.Answerer{
			Self: crdt.TillID{i}, Program: "v1", Dial: l.dial(i), Ask: l.ask(i), Now: time.Now,
			Allowed: func(id crdt.TillID) bool { return id[0] >= 1 && id[0] <= n },
			Near:    func(a netip.Addr) bool { return a.IsPrivate() },
			About:   func(id crdt.TillID) health.About { return health.About{Linked: l.linked(i, id[0])} },
		}
	}
	return l
}

func (l *lan) linked(a, b byte) bool { return l.links[[2]byte{min(a, b), max(a, b)}] }

func (l *lan) dial(from byte) health.DialFunc {
	return func(_ context.Context, addrs []netip.AddrPort) []health.Try {
		var out []health.Try
		for _, a := range addrs {
			r := health.TimedOut
			if l.reaches[[2]byte{from, a.Addr().As4()[3]}] {
				r = health.Reached
			}
			out = append(out, health.Try{Addr: a, Result: r, At: now})
		}
		return out
	}
}

var errNoLink = errors.New("no link")

func (l *lan) ask(from byte) health.AskFunc {
	return func(ctx context.Context, to crdt.TillID, topic string, body []byte) ([]byte, error) {
		if topic != health.Topic || !l.linked(from, to[0]) {
			return nil, errNoLink
		}
		out, ok := l.tills[to[0]].Answer(ctx, crdt.TillID{from}, body)
		if !ok {
			return nil, errors.New(string(out))
		}
		return out, nil
	}
}

func (l *lan) check(f health.Facts) []health.Finding {
	p := health.Prober{Dial: l.dial(1), Ask: l.ask(1), Own: []netip.AddrPort{at(11)}}
	return health.Diagnose(p.Check(context.Background(), f))
}

// facts of till 1, whose address ends in 11; Kasse 2 in 12, Kasse 3 in 13.
func lanFacts() (health.Facts, *lan) {
	l := newLAN(3)
	for a := byte(1); a <= 3; a++ {
		for b := byte(11); b <= 13; b++ {
			l.reaches[[2]byte{a, b}] = true
		}
	}
	l.links = map[[2]byte]bool{{1, 2}: true, {1, 3}: true, {2, 3}: true}
	return well(), l
}

func TestProbesFindBothWays(t *testing.T) {
	f, l := lanFacts()
	require.Equal(t, health.AllWell, l.check(f)[0].Code)
	require.Nil(t, f.Tills[0].Answer, "the facts given are not changed")

	// Kasse 2 and 3 reach the others, not this one.
	f, l = lanFacts()
	l.reaches[[2]byte{2, 11}], l.reaches[[2]byte{3, 11}] = false, false
	found := l.check(f)
	require.Equal(t, health.FirewallHere, found[0].Code)
	require.Equal(t, uint16(8481), found[0].Values.Port)

	// Neither reaches the other, Kasse 3 reaches both: it passes the question on.
	f, l = lanFacts()
	gone(&f, 0, 0)
	delete(l.links, [2]byte{1, 2})
	l.reaches[[2]byte{1, 12}], l.reaches[[2]byte{2, 11}] = false, false
	found = l.check(f)
	require.Equal(t, health.Isolation, found[0].Code)
	require.Equal(t, []string{"Kasse 2"}, found[0].Tills)
	require.Equal(t, "Kasse 3", found[0].Values.Via)
	require.Equal(t, []string{"from here to K2 at 192.168.1.12:8481: no answer", "from K2 to here at 192.168.1.11:8481: no answer"}, found[0].Details)

	// It reaches us, we do not reach it.
	f, l = lanFacts()
	gone(&f, 0, 0)
	delete(l.links, [2]byte{1, 2})
	l.reaches[[2]byte{1, 12}] = false
	require.Equal(t, health.FirewallThere, l.check(f)[0].Code)
}

func TestAnswererRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(3)
		a := l.tills[2]
		ask := func(from byte, q health.Question) string {
			body, ok := a.Answer(t.Context(), crdt.TillID{from}, q.Encode())
			if ok {
				return "answered"
			}
			return string(body)
		}
		mine := health.Question{From: crdt.TillID{1}, To: crdt.TillID{2}, Addrs: []netip.AddrPort{at(11)}}
		require.Contains(t, ask(9, mine), "no till of this shop")
		other := mine
		other.From = crdt.TillID{9}
		require.Contains(t, ask(1, other), "no till of this shop")
		other = mine
		other.To = crdt.TillID{3}
		require.Contains(t, ask(1, other), "for another till")
		other.Relay = true
		require.Contains(t, ask(3, other), "for another till", "nobody asks in another's name")
		require.Contains(t, ask(1, other), "no link")
		require.Equal(t, "answered", ask(1, mine))
		require.Contains(t, ask(1, mine), "too many")
		require.Equal(t, "answered", ask(3, health.Question{From: crdt.TillID{3}, To: crdt.TillID{2}}))
		time.Sleep(2 * time.Second)
		require.Equal(t, "answered", ask(1, mine))
		_, ok := a.Answer(t.Context(), crdt.TillID{1}, []byte("junk"))
		require.False(t, ok)

		// Only what is near is dialled.
		time.Sleep(2 * time.Second)
		dialled := 0
		a.Dial = func(_ context.Context, addrs []netip.AddrPort) []health.Try { dialled += len(addrs); return nil }
		mine.Addrs = []netip.AddrPort{addr("8.8.8.8:8481"), at(11)}
		require.Equal(t, "answered", ask(1, mine))
		require.Equal(t, 1, dialled)
	})
}

// A flood of questions keeps a till busy with four at most.
func TestAnswererIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(9)
		a := l.tills[1]
		var mu sync.Mutex
		running, most := 0, 0
		a.Dial = func(context.Context, []netip.AddrPort) []health.Try {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}
		answered := make(chan bool, 8)
		for n := byte(2); n <= 9; n++ {
			go func() {
				_, ok := a.Answer(t.Context(), crdt.TillID{n}, health.Question{From: crdt.TillID{n}, To: crdt.TillID{1}}.Encode())
				answered <- ok
			}()
			synctest.Wait()
		}
		good := 0
		for range 8 {
			if <-answered {
				good++
			}
		}
		require.Equal(t, 4, good)
		require.Equal(t, 4, most)
	})
}
