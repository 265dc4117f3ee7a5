package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// listen takes a port for links. Where the system may choose it (port 0), the one after it is free as well: gossip uses it.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if _, port, splitErr := net.SplitHostPort(addr); err == nil && splitErr == nil && port == "0" {
		for range choosePorts {
			if nextFree(l.Addr()) {
				break
			}
			if err = l.Close(); err != nil {
				return nil, err
			}
			if l, err = net.Listen("tcp", addr); err != nil {
				break
			}
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hint(fmt.Errorf("listen for other tills on %s: the port is in use", addr),
			"another till may be running here; stop it, or choose another port with --listen")
	case err != nil:
		return nil, hint(fmt.Errorf("listen for other tills on %s: %w", addr, err), "check the address after --listen")
	}
	return l, nil
}

const choosePorts = 20

// nextFree reports whether nobody uses the port after that of a listener, neither TCP nor UDP.
func nextFree(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || tcp.Port >= 1<<16-1 {
		return false
	}
	stream, err := net.ListenTCP("tcp", &net.TCPAddr{IP: tcp.IP, Port: tcp.Port + 1, Zone: tcp.Zone})
	if err != nil {
		return false
	}
	packets, err := net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: tcp.Port + 1, Zone: tcp.Zone})
	if err == nil {
		err = packets.Close()
	}
	return errors.Join(err, stream.Close()) == nil
}

// CoreConfig returns what the core of this till's replication is to know for a run with this nonce.
func (t *Till) CoreConfig(ctx context.Context, b Begun, nonce [16]byte) (replication.Config, error) {
	agreed, err := t.store.Agreed(ctx, t.id.Replica)
	if err != nil {
		return replication.Config{}, err
	}
	damaged, err := t.store.Damaged(ctx)
	return replication.Config{
		Shop: t.id.Shop, Till: t.id.Till, Replica: t.id.Replica, Boot: t.boot, Nonce: nonce, Program: t.version,
		Roster: t.Roster(), Contexts: t.store.Contexts(), Digests: t.store.Digests(), Heads: b.Heads, Jitter: t.env.under,
		AuditEvery: auditEvery, Damaged: damaged, Active: t.roster.agreeing, Ended: t.roster.endedLineages, Agreed: agreed,
		Clouds: t.roster.coupledClouds, Unmoved: t.unmoved,
	}, err
}

// connect makes the parts that speak to other tills.
func (m *Machine) connect(ctx context.Context, b Begun) error {
	m.env.draw(m.nonce[:])
	cfg, err := m.CoreConfig(ctx, b, m.nonce)
	if err != nil {
		return err
	}
	core := replication.NewCore(cfg)
	m.engine = engine.New(engine.Config{
		Core: core, Store: gated{m.Gate(), m.store}, Event: m.notable, Log: m.log, Applied: m.Applied, Asked: m.asked, Settle: m.store.Settle, Notify: m.notify, Held: m.Held,
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) },
	})
	if err := m.makeUplink(); err != nil {
		return err
	}
	local, ok := m.listener.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("listen on %s: not a TCP address", m.o.Listen)
	}
	bound := local.AddrPort()
	linkPort := bound.Port()
	var advertise netip.AddrPort
	if m.o.Advertise != "" {
		var err error
		if advertise, err = netip.ParseAddrPort(m.o.Advertise); err != nil {
			return hint(fmt.Errorf("--advertise %q: %w", m.o.Advertise, err), "write it as ip:port, such as 192.168.1.20:8481")
		}
		linkPort = advertise.Port()
	}
	m.remembered, err = discovery.LoadRemembered(filepath.Join(m.o.Data, filePeers))
	if err != nil {
		m.log.Warn("remembered addresses of other tills could not be read", "error", err)
	}
	m.table = discovery.NewTable(discovery.Self{Till: m.id.Till, Shop: m.id.Shop, Port: linkPort})
	for _, c := range m.remembered.Candidates() {
		m.table.Add(c, m.began)
	}
	if m.static, err = discovery.NewStatic(m.o.Peers, 0, net.DefaultResolver.LookupNetIP); err != nil {
		return hint(err, "write --peer as host:port, such as 192.168.1.20:8481")
	}
	if !m.o.NoMDNS {
		m.mdns = mdns.New(mdns.Options{Iface: m.o.Iface})
	}
	if m.links, err = mesh.NewLinks(mesh.LinksConfig{
		Identity: m.identity, Shop: m.id.Shop, Listener: m.listener, Allowed: m.roster.mayLink, Former: m.roster.former, ToldRemoved: m.TellRemoved,
		Addresses: m.linkTargets, Serve: m.serveLink, Pair: m.pair, Log: m.log,
	}); err != nil {
		return err
	}
	key, otherKeys := m.Till.GossipKeys().Secrets()
	group := mesh.GossipConfig{
		Till: m.id.Till, Shop: m.id.Shop, Key: key, OtherKeys: otherKeys, Boot: m.boot, LinkPort: linkPort,
		Bind: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()+1), Allowed: m.roster.active,
		Addresses: m.gossipTargets, Changed: m.membersChanged, Log: m.log,
	}
	switch {
	case advertise.IsValid():
		group.Advertise = func() netip.Addr { return advertise.Addr() }
		group.AdvertisePort = advertise.Port() + 1
	case m.o.Iface != "":
		group.Advertise = func() netip.Addr { return ifaceAddr(m.o.Iface) }
	}
	if bound.Addr().IsUnspecified() {
		group.Bind = netip.AddrPortFrom(netip.IPv4Unspecified(), bound.Port()+1)
	}
	m.gossip, err = mesh.NewGossip(group)
	return err
}
