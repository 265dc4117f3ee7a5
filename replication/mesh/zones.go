package mesh

import (
	"net"
	"net/netip"
	"sync"
)

// maxZones bounds the link-local addresses whose interface is remembered.
const maxZones = 256

// zones knows on which interface a link-local IPv6 address is. memberlist carries addresses without it, and without it
// they lead nowhere.
type zones struct {
	mu    sync.Mutex
	known map[netip.Addr]string
}

// learn remembers where a till of the shop was heard.
func (z *zones) learn(from netip.Addr) {
	if from.Zone() == "" {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.known == nil || len(z.known) >= maxZones {
		z.known = make(map[netip.Addr]string)
	}
	z.known[from.WithZone("")] = from.Zone()
}

// of returns the addresses that a link-local one may mean, any other as it is.
func (z *zones) of(a netip.Addr) []netip.Addr {
	if !a.Is6() || !a.IsLinkLocalUnicast() || a.Zone() != "" {
		return []netip.Addr{a}
	}
	z.mu.Lock()
	zone := z.known[a]
	z.mu.Unlock()
	if zone != "" {
		return []netip.Addr{a.WithZone(zone)}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return []netip.Addr{a} // the attempt says what is wrong
	}
	var all []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagMulticast != 0 {
			all = append(all, a.WithZone(i.Name))
		}
	}
	if len(all) == 0 {
		return []netip.Addr{a}
	}
	return all
}
