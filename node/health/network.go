package health

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ownNetwork returns why this till has no network at all, in the order of the cause.
func ownNetwork(f Facts) []Finding {
	var linked, addressed []Interface
	named := false
	for _, i := range f.Interfaces {
		if i.Loopback {
			continue
		}
		named = named || i.Name == f.Adapter
		if f.Adapter != "" && i.Name != f.Adapter || !i.Up || !i.Linked {
			continue
		}
		linked = append(linked, i)
		if slices.ContainsFunc(i.Addrs, given) {
			addressed = append(addressed, i)
		}
	}
	switch {
	case len(addressed) > 0 || f.onlyLoopback():
		return nil
	case f.Adapter != "" && !named:
		return []Finding{found(WrongAdapter, time.Time{}, Values{Where: f.Adapter})}
	case len(linked) > 0:
		return []Finding{found(NoAddress, time.Time{}, Values{Where: linked[0].Name})}
	}
	return []Finding{found(NoCable, time.Time{}, Values{})}
}

// given reports whether an address came from a router or a person, and not from the machine for want of one. IPv6
// link-local addresses count: tills can use them.
func given(p netip.Prefix) bool { return !p.Addr().Is4() || !p.Addr().IsLinkLocalUnicast() }

// onlyLoopback: a shop tried out on one machine has all its tills there.
func (f Facts) onlyLoopback() bool {
	return len(f.Tills) > 0 && !slices.ContainsFunc(f.Tills, func(t Till) bool {
		return len(t.Addrs) == 0 || slices.ContainsFunc(t.Addrs, func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() })
	})
}

// near reports whether an address is in a network of this till; through is the adapter.
func (f Facts) near(a netip.Addr) (through string, ok bool) {
	for _, i := range f.Interfaces {
		for _, p := range i.Addrs {
			if i.Up && p.Contains(a.WithZone("")) {
				return i.Name, true
			}
		}
	}
	return "", false
}

func networks(addrs []netip.AddrPort) string {
	var list []string
	for _, a := range addrs {
		bits := 24
		if a.Addr().Is6() {
			bits = 64
		}
		if p, err := a.Addr().WithZone("").Prefix(bits); err == nil && !slices.Contains(list, p.String()) {
			list = append(list, p.String())
		}
	}
	return strings.Join(list[:min(len(list), 3)], ", ")
}

func addresses(list []netip.Addr) string {
	var out []string
	for _, a := range list[:min(len(list), 3)] {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func addrPorts(list []netip.AddrPort) string {
	var out []string
	for _, a := range list[:min(len(list), 3)] {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
