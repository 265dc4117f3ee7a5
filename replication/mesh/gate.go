package mesh

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// callsPerSecond is how often one address may connect. A till does so a few times after it started.
	callsPerSecond = 40
	// maxSources bounds the addresses that a gate tells apart; the rest share one.
	maxSources = 1024
)

// gate bounds the strangers that are looked at: how many at once, in all and by source address, and how often one
// source may come. The zero value with its limits set is ready.
type gate struct {
	most      int // at once, without those from proven addresses
	perSource int // at once
	perSecond int // from one source; 0: as often as it likes

	mu       sync.Mutex
	all      int
	bySource map[string]int
	proven   map[string]struct{}
	second   time.Time
	calls    map[string]int // in that second
}

// enter lets a caller in, or says that its source comes too often or that there is no room. leave gives the place back
// and may be called many times.
func (g *gate) enter(source string, now time.Time) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.inTimeLocked(source, now) {
		return nil, errTooFast
	}
	// An address from which a till of the shop came has places of its own: strangers cannot take them.
	_, proven := g.proven[source]
	if g.bySource[source] >= g.perSource || !proven && g.all >= g.most {
		return nil, errBusy
	}
	if g.bySource == nil {
		g.bySource = make(map[string]int)
	}
	g.bySource[source]++
	if !proven {
		g.all++
	}
	return sync.OnceFunc(func() { g.leave(source, proven) }), nil
}

// inTimeLocked counts a call and reports whether its source may make one more in this second.
func (g *gate) inTimeLocked(source string, now time.Time) bool {
	if g.perSecond == 0 {
		return true
	}
	if d := now.Sub(g.second); d < 0 || d >= time.Second || g.calls == nil {
		g.second, g.calls = now, make(map[string]int)
	}
	if _, known := g.calls[source]; !known && len(g.calls) >= maxSources {
		source = ""
	}
	g.calls[source]++
	return g.calls[source] <= g.perSecond
}

func (g *gate) leave(source string, proven bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !proven {
		g.all--
	}
	if g.bySource[source]--; g.bySource[source] == 0 {
		delete(g.bySource, source)
	}
}

// trust notes that a till of the shop came from this address.
func (g *gate) trust(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proven == nil || len(g.proven) >= maxSources {
		g.proven = make(map[string]struct{})
	}
	g.proven[source] = struct{}{}
}

// sourceOf returns what tells callers apart: the address without the port, or the whole name if it is no IP address.
func sourceOf(a net.Addr) string {
	if ip := ipOf(a); ip.IsValid() {
		return ip.String()
	}
	return a.String()
}

// ipOf returns the address of a connection's other end without its port, invalid if it is no IP connection.
func ipOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}
