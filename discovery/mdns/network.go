package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/grandcat/zeroconf"
)

// network is what the rest of the package needs of multicast DNS.
type network interface {
	// announce makes s known on the interfaces until stop is called. stop must not be called within minServerLife.
	announce(s announcement, on []net.Interface) (stop func(), err error)

	// browse asks on the interfaces for tills until ctx is done and calls each for every answer. When it returns,
	// each is not called any more.
	browse(ctx context.Context, on []net.Interface, each func(*zeroconf.ServiceEntry)) error
}

// multicast is the real network.
type multicast struct{}

func (multicast) announce(s announcement, on []net.Interface) (func(), error) {
	server, err := zeroconf.RegisterProxy(s.instance, service, domain, int(s.port), s.instance, s.ips, s.text, on)
	if err != nil {
		return nil, fmt.Errorf("announce by multicast: %w", err)
	}
	return server.Shutdown, nil
}

func (multicast) browse(ctx context.Context, on []net.Interface, each func(*zeroconf.ServiceEntry)) error {
	resolver, err := newResolver(on)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries := make(chan *zeroconf.ServiceEntry, 64)
	// Even if the first query cannot be sent, the library has started its loop; that loop closes entries when ctx is
	// done, and is stuck for ever if nobody reads them until then.
	err = resolver.Browse(ctx, service, domain, entries)
	if err != nil {
		cancel()
	}
	for e := range entries {
		if ctx.Err() == nil {
			each(e)
		}
	}
	if err != nil {
		return fmt.Errorf("browse by multicast: %w", err)
	}
	return nil
}

// newResolver listens on both IP versions, or on the one that works: the library gives up if either is switched off.
func newResolver(on []net.Interface) (*zeroconf.Resolver, error) {
	var failed []error
	for _, version := range []zeroconf.IPType{zeroconf.IPv4AndIPv6, zeroconf.IPv4, zeroconf.IPv6} {
		r, err := zeroconf.NewResolver(zeroconf.SelectIfaces(on), zeroconf.SelectIPTraffic(version))
		if err == nil {
			return r, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("listen for multicast: %w", errors.Join(failed...))
}
