package mesh

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// errNoAddress means that this machine has no network address that others could use.
var errNoAddress = errors.New("this machine has no network address yet")

// netTransport is memberlist's own transport, except that connections come from the bound address, as its packets
// do, and that Shutdown ends dials under way.
type netTransport struct {
	*memberlist.NetTransport
	dialer net.Dialer
	down   chan struct{}
	once   sync.Once
}

// listenGossip binds TCP and UDP; port 0 takes a free one.
func listenGossip(bind netip.AddrPort, logger *log.Logger) (*netTransport, error) {
	ip := bind.Addr()
	if !ip.IsValid() || ip.IsUnspecified() {
		ip = netip.IPv4Unspecified()
	}
	t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{ip.String()}, BindPort: int(bind.Port()), Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("listen for gossip on %s: %w", bind, err)
	}
	n := &netTransport{NetTransport: t, down: make(chan struct{})}
	if !ip.IsUnspecified() {
		n.dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	return n, nil
}

// DialTimeout implements memberlist.Transport.
func (t *netTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	go func() {
		select {
		case <-t.down:
			cancel()
		case <-ctx.Done():
		}
	}()
	return t.dialer.DialContext(ctx, "tcp", addr)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *netTransport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown implements memberlist.Transport and may be called again. The library's listeners hand over without a
// buffer and wait for a reader that may be gone; so what they still hold is taken here.
func (t *netTransport) Shutdown() error {
	var err error
	t.once.Do(func() {
		close(t.down)
		ended := make(chan error, 1)
		go func() { ended <- t.NetTransport.Shutdown() }()
		for {
			select {
			case e := <-ended:
				err = errors.Join(err, e)
				return
			case <-t.PacketCh():
			case conn := <-t.StreamCh():
				err = errors.Join(err, conn.Close())
			}
		}
	})
	return err
}

// ownAddress returns the address that others on the LAN can reach this machine at: the first private IPv4 address of
// an interface that is up, else any other usable one. It asks no routing table: a shop need not have a router.
func ownAddress() (netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("list the network interfaces: %w", err)
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface went away since it was listed
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, prefix.Addr().Unmap())
			}
		}
	}
	return bestAddress(found)
}

// bestAddress chooses among the addresses of this machine, in their order within one kind.
func bestAddress(found []netip.Addr) (netip.Addr, error) {
	for _, good := range []func(netip.Addr) bool{
		func(a netip.Addr) bool { return a.Is4() && a.IsPrivate() },
		func(a netip.Addr) bool { return a.Is4() && a.IsGlobalUnicast() },
		func(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }, // a cable without any DHCP
	} {
		for _, a := range found {
			if good(a) {
				return a, nil
			}
		}
	}
	return netip.Addr{}, errNoAddress
}
