package discovery

import (
	"fmt"
	"net"
	"net/netip"
)

// Interface is a network interface with its addresses, each with the length of its subnet.
type Interface struct {
	net.Interface
	Prefixes []netip.Prefix
}

// SystemInterfaces lists all interfaces of this machine, whatever their state. An interface that vanishes while it is
// being read is left out.
func SystemInterfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	out := make([]Interface, 0, len(list))
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // pulled out between the two calls; the next round sees the truth
		}
		out = append(out, Interface{Interface: i, Prefixes: prefixes(addrs)})
	}
	return out, nil
}

// LocalPrefixes returns the subnets of the interfaces, each holding this machine's own address in it, as
// [Table.Peers] wants them. Interfaces that are down are left out.
func LocalPrefixes(interfaces []Interface) []netip.Prefix {
	var out []netip.Prefix
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 {
			out = append(out, i.Prefixes...)
		}
	}
	return out
}

func prefixes(addrs []net.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ones, bits := n.Mask.Size()
		if ip = ip.Unmap(); ip.Is4() && bits == 128 {
			ones -= 96
		}
		if p := netip.PrefixFrom(ip, ones); p.IsValid() {
			out = append(out, p)
		}
	}
	return out
}
