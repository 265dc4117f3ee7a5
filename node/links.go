package node

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// serveLink speaks the protocol on a link and remembers where it led.
func (t *Till) serveLink(ctx context.Context, l *mesh.Link) error {
	if l.Dialled() {
		if a, err := netip.ParseAddrPort(l.RemoteAddr().String()); err == nil {
			t.remembered.Success(l.Peer(), netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), time.Now())
		}
	}
	return t.engine.Serve(ctx, engine.Conn{
		ReadWriteCloser: l, Peer: l.Peer(), WriteDeadline: l.SetWriteDeadline,
		Compress: func() bool { return slow(l.WriteRate()) },
	})
}

// slow reports whether compressing pays: below about 100 MB/s it does. While nothing large was sent the speed is not
// known (0); then there is little to compress, and it saves most.
func slow(bytesPerSecond int64) bool { return bytesPerSecond < 100e6 }

// discover feeds the table with what a finder finds until ctx is done.
func (t *Till) discover(ctx context.Context, f discovery.Finder) {
	for c := range f.Watch(ctx) {
		if !c.Shop.IsZero() && c.Shop != t.id.Shop {
			continue
		}
		if t.table.Add(c, time.Now()) {
			t.wake()
		}
	}
}

func (t *Till) wake() {
	t.links.Wake()
	t.gossip.Wake()
}

// membersChanged takes what gossip knows: addresses to link to, and that links may be tried at once.
func (t *Till) membersChanged(members []mesh.Member) {
	now := time.Now()
	for _, m := range members {
		t.table.Add(discovery.Candidate{Till: m.Till, Shop: t.id.Shop, Addrs: []netip.AddrPort{m.LinkAddr()},
			Source: discovery.SourceGossip, SeenAt: now}, now)
	}
	t.links.Wake()
	t.events.post(Event{What: "mesh"})
}

// candidates returns where other tills of the shop may be, best address first.
func (t *Till) candidates() []discovery.Peer {
	peers := t.table.Peers(t.localPrefixes())
	return slices.DeleteFunc(peers, func(p discovery.Peer) bool {
		return !p.Shop.IsZero() && p.Shop != t.id.Shop || !p.Till.IsZero() && !t.roster.active(p.Till)
	})
}

func (t *Till) linkTargets() []mesh.Target { return targets(t.candidates(), 0) }

// gossipTargets are the same places one port higher.
func (t *Till) gossipTargets() []mesh.Target { return targets(t.candidates(), 1) }

func targets(peers []discovery.Peer, offset uint16) []mesh.Target {
	out := make([]mesh.Target, 0, len(peers))
	for _, p := range peers {
		target := mesh.Target{Till: p.Till}
		for _, a := range p.Addrs {
			target.Addrs = append(target.Addrs, netip.AddrPortFrom(a.Addr(), a.Port()+offset).String())
		}
		out = append(out, target)
	}
	return out
}

// localPrefixes returns the networks this machine is in, looked up at most every 5 s.
func (t *Till) localPrefixes() []netip.Prefix {
	now := time.Now()
	if p := t.prefixes.Load(); p != nil && now.Sub(p.at) < 5*time.Second {
		return p.prefixes
	}
	list, err := discovery.SystemInterfaces()
	if err != nil {
		t.log.Warn("network interfaces cannot be listed", "error", err)
	}
	p := &localNet{now, discovery.LocalPrefixes(list)}
	t.prefixes.Store(p)
	return p.prefixes
}

func ifaceAddr(name string) netip.Addr {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// asked answers questions of other tills.
func (t *Till) asked(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, bool) {
	switch topic {
	case topicClaim:
		return t.askedForClaim(ctx, till, body)
	case topicClock:
		return time.Now().AppendFormat(nil, time.RFC3339Nano), true
	}
	return []byte("this till does not know the question " + topic), false
}

const topicClock = "clock"
