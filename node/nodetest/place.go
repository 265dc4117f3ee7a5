package nodetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// Ports every till of this package listens on, at an address of its own.
const (
	httpPort = 8480
	linkPort = 8481
)

// Place is a machine that a till runs on, or an address that stands for one.
type Place struct {
	// Enter is the command that runs a program there, before the program's path; empty for this machine.
	Enter []string
	// Listen is what the till is told with --listen.
	Listen string
	// HTTP is what it is told with --http, and where Dial finds it.
	HTTP netip.AddrPort
	// Link returns where tills on other places reach it: its --peer for them. Nil means they have to find it.
	Link func() netip.AddrPort
	// Dial connects to an address as programs there see it; nil for this machine.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Flags are added to run and join.
	Flags []string
}

// loopback returns a function that gives one unused address of 127.0.0.0/8 after the other, from a range that this
// call chose by chance. It skips the test on systems that have 127.0.0.1 only.
func loopback(t testing.TB) func() Place {
	t.Helper()
	var lastErr error
	for range 20 {
		first := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), 1})
		if lastErr = free(first); lastErr == nil {
			next := first
			return func() Place {
				at := next
				next = next.Next()
				return onLoopback(at)
			}
		}
	}
	Lacks(t, fmt.Sprintf("no free addresses in 127.0.0.0/8: %v", lastErr))
	return nil
}

func free(a netip.Addr) error {
	for _, port := range []uint16{httpPort, linkPort, linkPort + 1} {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func onLoopback(a netip.Addr) Place {
	link := netip.AddrPortFrom(a, linkPort)
	return Place{
		Listen: link.String(),
		HTTP:   netip.AddrPortFrom(a, httpPort),
		Link:   func() netip.AddrPort { return link },
		Flags:  []string{"--no-mdns"},
	}
}
