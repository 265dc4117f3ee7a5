package mesh

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// testNetwork is a LAN in memory. Its transports work inside testing/synctest.
type testNetwork struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]*testTransport
	cut   func(from, to netip.AddrPort) bool // nil: nothing is cut
}

func newTestNetwork() *testNetwork { return &testNetwork{hosts: map[netip.AddrPort]*testTransport{}} }

// split cuts whatever crosses the border; nil heals.
func (n *testNetwork) split(inside func(netip.AddrPort) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if inside == nil {
		n.cut = nil
		return
	}
	n.cut = func(from, to netip.AddrPort) bool { return inside(from) != inside(to) }
}

func (n *testNetwork) reach(from netip.AddrPort, to string) *testTransport {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut != nil && n.cut(from, addr) {
		return nil
	}
	return n.hosts[addr]
}

// attach adds a host; whoever has the address before loses it.
func (n *testNetwork) attach(addr netip.AddrPort) *testTransport {
	t := &testTransport{
		network: n, addr: addr, packets: make(chan *memberlist.Packet, 256), streams: make(chan net.Conn),
		down: make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = t
	return t
}

type testTransport struct {
	network *testNetwork
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	down    chan struct{}
	once    sync.Once
}

func (t *testTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.addr.Addr().AsSlice(), int(t.addr.Port()), nil
}

func (t *testTransport) WriteTo(b []byte, to string) (time.Time, error) {
	now := time.Now()
	if t.isDown() {
		return now, net.ErrClosed
	}
	if peer := t.network.reach(t.addr, to); peer != nil {
		p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(t.addr), Timestamp: now}
		select {
		case peer.packets <- p:
		default: // a full queue loses packets, as UDP does
		}
	}
	return now, nil
}

func (t *testTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *testTransport) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	if t.isDown() {
		return nil, net.ErrClosed
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	if peer := t.network.reach(t.addr, to); peer != nil {
		near, far := net.Pipe()
		select {
		case peer.streams <- far:
			return near, nil
		case <-peer.down:
			return nil, errors.New("connection refused")
		case <-timer.C:
			return nil, errors.New("timeout")
		}
	}
	select {
	case <-timer.C:
		return nil, errors.New("timeout")
	case <-t.down:
		return nil, net.ErrClosed
	}
}

func (t *testTransport) isDown() bool {
	select {
	case <-t.down:
		return true
	default:
		return false
	}
}

func (t *testTransport) StreamCh() <-chan net.Conn { return t.streams }

func (t *testTransport) Shutdown() error {
	t.once.Do(func() {
		close(t.down)
		t.network.mu.Lock()
		defer t.network.mu.Unlock()
		if t.network.hosts[t.addr] == t {
			delete(t.network.hosts, t.addr)
		}
	})
	return nil
}
