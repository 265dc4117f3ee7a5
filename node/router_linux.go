package node

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Flags of a route, as in linux/route.h, and of a neighbour, as in linux/if_arp.h.
const (
	routeUp       = 0x1
	routeGateway  = 0x2
	neighbourDone = 0x2
)

// defaultRouter returns the router of the default route with the lowest metric, over iface if it is named, else over any
// adapter; the zero address if there is none. known is false if the system does not say.
func defaultRouter(iface string) (router netip.Addr, known bool) {
	v4, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return netip.Addr{}, false
	}
	if a := defaultRoute4(string(v4), iface); a.IsValid() {
		return a, true
	}
	v6, err := os.ReadFile("/proc/net/ipv6_route")
	if err != nil {
		return netip.Addr{}, true // a machine without IPv6
	}
	return defaultRoute6(string(v6), iface), true
}

// defaultRoute4 reads /proc/net/route: adapter, destination, gateway, flags, two counters, metric, mask, all numbers but the
// decimal counters and metric in hexadecimal, addresses in the machine's own byte order.
func defaultRoute4(table, iface string) (best netip.Addr) {
	least := uint64(1 << 63)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || iface != "" && f[0] != iface {
			continue
		}
		flags, err1 := strconv.ParseUint(f[3], 16, 32)
		metric, err2 := strconv.ParseUint(f[6], 10, 32)
		raw, err3 := strconv.ParseUint(f[2], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || flags&(routeUp|routeGateway) != routeUp|routeGateway || metric >= least {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(raw))
		best, least = netip.AddrFrom4(b), metric
	}
	return best
}

// defaultRoute6 reads /proc/net/ipv6_route: destination and its length, source and its length, next hop, metric, two counters,
// flags, adapter; all in hexadecimal.
func defaultRoute6(table, iface string) (best netip.Addr) {
	least := uint64(1 << 63)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != "00" || strings.Trim(f[0], "0") != "" || iface != "" && f[9] != iface {
			continue
		}
		flags, err1 := strconv.ParseUint(f[8], 16, 32)
		metric, err2 := strconv.ParseUint(f[5], 16, 32)
		raw, err3 := hex.DecodeString(f[4])
		if err1 != nil || err2 != nil || err3 != nil || len(raw) != 16 || flags&(routeUp|routeGateway) != routeUp|routeGateway || metric >= least {
			continue
		}
		a := netip.AddrFrom16([16]byte(raw))
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(f[9])
		}
		best, least = a, metric
	}
	return best
}

// neighbourAnswers reports whether an address in a network of this machine answered when it was looked for; known is false if
// the system does not say.
func neighbourAnswers(a netip.Addr) (answers, known bool) {
	table, err := os.ReadFile("/proc/net/arp")
	if err != nil || !a.Is4() {
		return false, false
	}
	return neighbourIn(string(table), a), true
}

// neighbourIn reads /proc/net/arp: address, type, flags in hexadecimal, hardware address, mask, adapter.
func neighbourIn(table string, a netip.Addr) bool {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != a.String() {
			continue
		}
		flags, err := strconv.ParseUint(strings.TrimPrefix(f[2], "0x"), 16, 32)
		if err == nil && flags&neighbourDone != 0 {
			return true
		}
	}
	return false
}
