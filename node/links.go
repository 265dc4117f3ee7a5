package node

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// serveLink speaks the protocol on a link and remembers where it led.
func (m *Machine) serveLink(ctx context.Context, l *mesh.Link) (err error) {
	if l.Dialled() {
		if a, err := netip.ParseAddrPort(l.RemoteAddr().String()); err == nil {
			m.remembered.Success(l.Peer(), netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), m.env.Now())
		}
	}
	down := m.noteLink(l)
	defer func() { down(err) }()
	return m.engine.Serve(ctx, engine.Conn{
		ReadWriteCloser: l, Peer: l.Peer(), WriteDeadline: l.SetWriteDeadline,
		Compress: func() bool { return slow(l.WriteRate()) },
	})
}

// slow reports whether compressing pays: below about 100 MB/s it does. While nothing large was sent the speed is not
// known (0); then there is little to compress, and it saves most.
func slow(bytesPerSecond int64) bool { return bytesPerSecond < 100e6 }

// discover feeds the table with what a finder finds until ctx is done.
func (m *Machine) discover(ctx context.Context, f discovery.Finder) {
	for c := range f.Watch(ctx) {
		now := m.env.Now()
		if !c.Shop.IsZero() && c.Shop != m.id.Shop {
			m.others.hear(c.Shop, now)
			continue
		}
		m.heard(c, now)
		if m.table.Add(c, m.env.Now()) {
			m.wake()
		}
	}
}

func (m *Machine) wake() {
	m.links.Wake()
	m.gossip.Wake()
}

// membersChanged takes what gossip knows: addresses to link to, and that links may be tried at once.
func (m *Machine) membersChanged(members []mesh.Member) {
	now := m.env.Now()
	for _, other := range members {
		m.table.Add(discovery.Candidate{Till: other.Till, Shop: m.id.Shop, Addrs: []netip.AddrPort{other.LinkAddr()},
			Source: discovery.SourceGossip, SeenAt: now}, now)
	}
	m.links.Wake()
	m.alive(members)
	m.events.post(Event{What: "mesh"})
}

// candidates returns where other tills of the shop may be, best address first.
func (m *Machine) candidates() []discovery.Peer {
	peers := m.table.Peers(m.localPrefixes())
	return slices.DeleteFunc(peers, func(p discovery.Peer) bool {
		return !p.Shop.IsZero() && p.Shop != m.id.Shop || !p.Till.IsZero() && !m.roster.active(p.Till)
	})
}

func (m *Machine) linkTargets() []mesh.Target { return targets(m.candidates(), 0) }

// gossipTargets are the same places one port higher.
func (m *Machine) gossipTargets() []mesh.Target { return targets(m.candidates(), 1) }

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
func (m *Machine) localPrefixes() []netip.Prefix {
	now := m.env.Steady()
	if p := m.prefixes.Load(); p != nil && now-p.at < 5*time.Second {
		return p.prefixes
	}
	list, err := discovery.SystemInterfaces()
	if err != nil {
		m.log.Warn("network interfaces cannot be listed", "error", err)
	}
	p := &localNet{now, discovery.LocalPrefixes(list)}
	m.prefixes.Store(p)
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

type localNet struct {
	at       time.Duration // Steady when it was looked up
	prefixes []netip.Prefix
}
