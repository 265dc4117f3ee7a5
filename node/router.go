package node

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/health"
)

// routerPorts are tried at a router to see whether it answers: name service and its own page. A refusal is an answer.
var routerPorts = []uint16{53, 80}

// tryRouter says which router this machine uses, and whether it answers. Nothing is sent to anybody but that router, and nothing
// at all if some other till is reached, or if this till or all others are on the machine itself.
func (m *Machine) tryRouter(ctx context.Context, f health.Facts) health.Router {
	if m.LinkAddr().Addr().IsLoopback() || !nobodyReached(f) {
		return health.Router{}
	}
	addr, known := defaultRouter(m.o.Iface)
	r := health.Router{Known: known, Addr: addr}
	if !addr.IsValid() {
		return r
	}
	var places []netip.AddrPort
	for _, port := range routerPorts {
		places = append(places, netip.AddrPortFrom(addr, port))
	}
	results := discovery.Probe(ctx, places, new(net.Dialer).DialContext, discovery.ProbeOptions{Timeout: dialTime})
	r.Answers, r.Tried = routerAnswers(results, func() (bool, bool) { return neighbourAnswers(addr) })
	return r
}

// nobodyReached reports whether there are other tills, none is linked, and at least one is expected on another machine.
func nobodyReached(f health.Facts) bool {
	elsewhere := func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() }
	return !slices.ContainsFunc(f.Tills, func(t health.Till) bool { return t.Linked }) &&
		slices.ContainsFunc(f.Tills, func(t health.Till) bool { return slices.ContainsFunc(t.Addrs, elsewhere) })
}

// routerAnswers says whether a router is there. One whose firewall swallows everything still answers on the level of the
// network adapter; neighbour says so, if the system knows.
func routerAnswers(results []discovery.ProbeResult, neighbour func() (answers, known bool)) (answers, known bool) {
	silent := false
	for _, r := range results {
		switch r.Reach {
		case discovery.Reachable, discovery.Refused:
			return true, true
		case discovery.TimedOut:
			silent = true
		}
	}
	if !silent {
		return false, true // the system says that nobody is there
	}
	return neighbour()
}
