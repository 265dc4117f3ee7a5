//go:build bench

package scale

import (
	"errors"
	"log"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// network is a LAN in memory for gossip. It counts what is sent.
type network struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]*host
	sent  atomic.Int64
}

// host is a place in the network; it is a memberlist.Transport.
type host struct {
	network *network
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	down    chan struct{}
	once    sync.Once
}

func newNetwork() *network { return &network{hosts: make(map[netip.AddrPort]*host)} }

// attach returns what makes the transport of a host.
func (n *network) attach(addr netip.AddrPort) func(*log.Logger) (memberlist.Transport, error) {
	return func(*log.Logger) (memberlist.Transport, error) {
		h := &host{
			network: n, addr: addr, packets: make(chan *memberlist.Packet, 1024), streams: make(chan net.Conn), down: make(chan struct{}),
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hosts[addr] = h
		return h, nil
	}
}

func (n *network) at(to string) *host {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[addr]
}

// FinalAdvertiseAddr is a method of memberlist.Transport.
func (h *host) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return h.addr.Addr().AsSlice(), int(h.addr.Port()), nil
}

// WriteTo is a method of memberlist.Transport.
func (h *host) WriteTo(b []byte, to string) (time.Time, error) {
	now := time.Now()
	if peer := h.network.at(to); peer != nil {
		h.network.sent.Add(int64(len(b)))
		p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(h.addr), Timestamp: now}
		select {
		case peer.packets <- p:
		default: // a full queue loses packets, as UDP does
		}
	}
	return now, nil
}

// PacketCh is a method of memberlist.Transport.
func (h *host) PacketCh() <-chan *memberlist.Packet { return h.packets }

// DialTimeout is a method of memberlist.Transport.
func (h *host) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	peer := h.network.at(to)
	if peer == nil {
		return nil, errors.New("nobody is there")
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	near, far := net.Pipe()
	select {
	case peer.streams <- counted{far, &h.network.sent}:
		return counted{near, &h.network.sent}, nil
	case <-peer.down:
		return nil, errors.New("connection refused")
	case <-timer.C:
		return nil, errors.New("timeout")
	}
}

// StreamCh is a method of memberlist.Transport.
func (h *host) StreamCh() <-chan net.Conn { return h.streams }

// Shutdown is a method of memberlist.Transport.
func (h *host) Shutdown() error {
	h.once.Do(func() { close(h.down) })
	return nil
}

// counted counts what is written to a connection.
type counted struct {
	net.Conn
	sent *atomic.Int64
}

// Write is a method of net.Conn.
func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}
