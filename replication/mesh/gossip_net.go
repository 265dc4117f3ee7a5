package mesh

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// errNoAddress means that this machine has no network address that others could use.
var errNoAddress = errors.New("this machine has no network address yet")

// ownAddress returns the address that others on the LAN can reach this machine at: the first private IPv4 address of
// an interface that is up, else any other usable one, a link-local IPv6 address (without its zone) last. It asks no routing table: a shop need not have a router.
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
		func(a netip.Addr) bool { return a.Is6() && a.IsPrivate() }, // unique local, as a shop's own network has it
		func(a netip.Addr) bool { return a.Is6() && a.IsGlobalUnicast() },
		func(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }, // a cable without any DHCP
		func(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() },
	} {
		for _, a := range found {
			if good(a) {
				return a, nil
			}
		}
	}
	return netip.Addr{}, errNoAddress
}
