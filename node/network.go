package node

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/pairing"
)

// View returns how the network looks now.
func (m *Machine) View() NetworkView {
	v := NetworkView{
		Own: m.ownAddresses(), LinkPort: m.LinkAddr().Port(), Reach: make(map[crdt.TillID]Reach),
		Links: m.links.Stats(), Gossip: m.gossip.State(),
	}
	if m.mdns != nil {
		s := m.mdns.Stats()
		v.MDNS = &s
	}
	for _, err := range m.static.Problems() {
		v.Problems = append(v.Problems, err.Error())
	}
	local := m.localPrefixes()
	for _, till := range m.roster.tills() {
		var r Reach
		for _, a := range m.table.Addrs(till.ID, local) {
			r.Addresses = append(r.Addresses, a.String())
		}
		v.Reach[till.ID] = r
	}
	for _, l := range m.links.All() {
		r := v.Reach[l.Peer()]
		r.Link = l.RemoteAddr().String()
		v.Reach[l.Peer()] = r
	}
	for _, member := range m.gossip.Members() {
		r := v.Reach[member.Till]
		r.Alive = true
		v.Reach[member.Till] = r
	}
	return v
}

// LinkAddr returns where this till takes links.
func (m *Machine) LinkAddr() netip.AddrPort {
	if a, ok := m.listener.Addr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// ownAddresses returns where other tills can reach this one, for people who type them in.
func (m *Machine) ownAddresses() []string {
	if m.o.Advertise != "" {
		return []string{m.o.Advertise}
	}
	addr := m.LinkAddr()
	if !addr.Addr().IsUnspecified() {
		return []string{addr.String()}
	}
	var out, own []string
	for _, p := range m.localPrefixes() {
		at := netip.AddrPortFrom(p.Addr(), addr.Port()).String()
		switch {
		case !p.Addr().Is4():
		case p.Addr().IsLoopback():
			own = append(own, at)
		default:
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return own // no network: only tills on this machine can come
	}
	return out
}

// pair admits whoever proves a token on a pairing connection, or whom a person here lets in by six digits.
func (m *Machine) pair(ctx context.Context, conn net.Conn, peer crdt.TillID) {
	key, err := peerKey(conn)
	if err != nil {
		m.log.Warn("a till that wants to join was refused", "error", err)
		return
	}
	req, err := pairing.Reception{Invitations: m.invites, Requests: m.requests}.Accept(ctx, pairing.Channel{Conn: conn, Self: m.key.Public().(ed25519.PublicKey), Peer: key}, m.Admit)
	switch {
	case errors.Is(err, pairing.ErrUnconfirmed):
		m.log.Info("till admitted, its last word is missing", "name", req.Name, "till", peer.Short())
	case err != nil:
		m.log.Warn("a till that wants to join was refused", "error", err, "till", peer.Short())
	default:
		m.log.Info("till admitted", "name", req.Name, "till", peer.Short())
	}
	if errors.Is(err, pairing.ErrWithdrawn) || errors.Is(err, pairing.ErrDoorClosed) {
		m.events.post(Event{What: "mesh"})
	}
}

func peerKey(conn net.Conn) (ed25519.PublicKey, error) {
	c, ok := conn.(*tls.Conn)
	if !ok || len(c.ConnectionState().PeerCertificates) == 0 {
		return nil, errors.New("the connection shows no device key")
	}
	key, ok := c.ConnectionState().PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the device key is of another kind")
	}
	return key, nil
}
