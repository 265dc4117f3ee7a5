package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/discovery"
)

// inUse returns the interfaces that a till can be found on, by name: up, with a cable or a radio link, able to
// multicast, with an address. An error says why there is none.
func (f *Finder) inUse() ([]discovery.Interface, error) {
	all, err := f.opts.List()
	if err != nil {
		return nil, err
	}
	return f.inUseOf(all)
}

func (f *Finder) inUseOf(all []discovery.Interface) ([]discovery.Interface, error) {
	var out []discovery.Interface
	for _, i := range all {
		if f.usable(i) {
			out = append(out, i)
		}
	}
	if len(out) == 0 && f.opts.Iface != "" {
		return nil, fmt.Errorf("interface %s is missing, down or without an address; waiting for it", f.opts.Iface)
	}
	if len(out) == 0 {
		return nil, errors.New("no network: no interface is up and has an address; waiting for one")
	}
	slices.SortFunc(out, func(a, b discovery.Interface) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (f *Finder) usable(i discovery.Interface) bool {
	if f.opts.Iface != "" && i.Name != f.opts.Iface {
		return false
	}
	if len(i.Prefixes) == 0 || i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 {
		return false
	}
	if i.Flags&net.FlagLoopback != 0 {
		return f.opts.Loopback
	}
	return i.Flags&net.FlagMulticast != 0
}

// fingerprint tells two states of the network apart: names, indexes and addresses. An adapter that was taken out and
// put in again has a new index, and the sockets of the old one are deaf.
func fingerprint(interfaces []discovery.Interface) string {
	var b strings.Builder
	for _, i := range interfaces {
		fmt.Fprintf(&b, "%s#%d", i.Name, i.Index)
		addrs := slices.Clone(i.Prefixes)
		slices.SortFunc(addrs, func(a, b netip.Prefix) int {
			return strings.Compare(a.String(), b.String())
		})
		fmt.Fprintf(&b, "%v;", addrs)
	}
	return b.String()
}

// untilChanged returns true when the interfaces in use are not those of the fingerprint any more, false when ctx is
// done first. While the list cannot be read nothing is known to have changed; each such failure is told to failed.
func (f *Finder) untilChanged(ctx context.Context, last string, failed func(error)) bool {
	for {
		pause(ctx, f.opts.Poll)
		if ctx.Err() != nil {
			return false
		}
		all, err := f.opts.List()
		if err != nil {
			failed(err)
			continue
		}
		now, err := f.inUseOf(all)
		if err != nil || fingerprint(now) != last {
			return true
		}
	}
}

func netInterfaces(interfaces []discovery.Interface) []net.Interface {
	out := make([]net.Interface, 0, len(interfaces))
	for _, i := range interfaces {
		out = append(out, i.Interface)
	}
	return out
}

func names(interfaces []discovery.Interface) []string {
	out := make([]string, 0, len(interfaces))
	for _, i := range interfaces {
		out = append(out, i.Name)
	}
	return out
}
