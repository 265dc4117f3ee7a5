package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Ports are taken from below the range that systems give to outgoing connections, so that nothing takes the port of a
// till while it is down.
const (
	lowestPort  = 20000
	highestPort = 32000
	portTries   = 50
)

// errLoopback means that the system lacks the loopback addresses of the tills.
var errLoopback = errors.New("this system cannot use the addresses of 127.0.0.0/8 as Linux does")

// openRelays finds a port that is free for every till and its relay, and binds the relays to it.
func openRelays(hosts []host) (*relays, error) {
	var last error
	for range portTries {
		port := uint16(lowestPort + 2*rand.IntN((highestPort-lowestPort)/2))
		if last = tryTills(hosts, port); last != nil {
			continue
		}
		r, err := listenRelays(hosts, port)
		if err == nil {
			return r, nil
		}
		last = err
	}
	if probe(netip.AddrPortFrom(hosts[0].own, 0)) != nil {
		return nil, fmt.Errorf("%w: %w", errLoopback, last)
	}
	return nil, fmt.Errorf("no free ports found for the tills after %d tries: %w", portTries, last)
}

// tryTills tells whether the tills themselves will be able to listen.
func tryTills(hosts []host, port uint16) error {
	for _, h := range hosts {
		for _, p := range []uint16{port, port + 1} {
			if err := probe(netip.AddrPortFrom(h.own, p)); err != nil {
				return err
			}
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.own, port+1)))
		if err != nil {
			return err
		}
		if err := u.Close(); err != nil {
			return err
		}
	}
	return nil
}

// freeHTTP returns so many different free ports of 127.0.0.1.
func freeHTTP(count int) ([]netip.AddrPort, error) {
	var found []netip.AddrPort
	taken := make(map[netip.AddrPort]bool)
	var last error
	for range portTries * count {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(lowestPort+rand.IntN(highestPort-lowestPort)))
		if taken[a] {
			continue
		}
		if last = probe(a); last != nil {
			continue
		}
		taken[a] = true
		if found = append(found, a); len(found) == count {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no free ports found on 127.0.0.1: %w", last)
}

// probe tells whether a TCP address can be listened on.
func probe(a netip.AddrPort) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a))
	if err != nil {
		return err
	}
	return l.Close()
}
