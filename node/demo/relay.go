package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	relayDial   = time.Second
	maxDatagram = 64 << 10
	// acceptPause is the wait after a failed accept, which passes (no file descriptors left).
	acceptPause = 50 * time.Millisecond
)

// host is one till on the network: it listens on and dials from own, the others know it as public.
type host struct {
	own, public netip.Addr
}

// hostOf returns the addresses of till number i, from 1.
func hostOf(i int) host {
	return host{own: netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + i)}), public: netip.AddrFrom4([4]byte{127, 0, 0, byte(30 + i)})}
}

// pair is two hosts by index, the lower one first.
type pair [2]int

func pairOf(a, b int) pair { return pair{min(a, b), max(a, b)} }

// relays carry the traffic of all tills: TCP on port (links) and port + 1 (gossip), UDP on port + 1. They know a sender
// by its source address. One from elsewhere, such as a till that is only just joining, is never cut off.
type relays struct {
	hosts     []host
	port      uint16
	listeners []relayListener
	packets   []*net.UDPConn // by host

	mu    sync.Mutex
	cut   map[pair]bool
	conns map[net.Conn]pair // both ends of what is carried now
}

// relayListener takes connections for one port of one host.
type relayListener struct {
	*net.TCPListener
	host   int
	target netip.AddrPort
}

// listenRelays binds everything or nothing. Serve it with run.
func listenRelays(hosts []host, port uint16) (r *relays, err error) {
	r = &relays{hosts: hosts, port: port, cut: make(map[pair]bool), conns: make(map[net.Conn]pair)}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	for i, h := range hosts {
		for _, p := range []uint16{port, port + 1} {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.public, p)))
			if err != nil {
				return r, fmt.Errorf("relay for till %d: %w", i+1, err)
			}
			r.listeners = append(r.listeners, relayListener{l, i, netip.AddrPortFrom(h.own, p)})
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.public, port+1)))
		if err != nil {
			return r, fmt.Errorf("relay for till %d: %w", i+1, err)
		}
		r.packets = append(r.packets, u)
	}
	return r, nil
}

// close ends all traffic for ever.
func (r *relays) close() error {
	var err error
	for _, l := range r.listeners {
		err = errors.Join(err, l.Close())
	}
	for _, u := range r.packets {
		err = errors.Join(err, u.Close())
	}
	r.drop(func(pair) bool { return true })
	return err
}

// run carries traffic until ctx is done and returns when every goroutine has ended.
func (r *relays) run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, l := range r.listeners {
		tasks.Go(func() { accept(ctx, l.TCPListener, &tasks, func(conn *net.TCPConn) { r.carry(ctx, conn, l) }) })
	}
	for i := range r.packets {
		tasks.Go(func() { r.forward(ctx, i) })
	}
	<-ctx.Done()
	return r.close()
}

// isolate cuts one host off from all others.
func (r *relays) isolate(i int) { r.set(i, true) }

// heal connects a host with all others again.
func (r *relays) heal(i int) { r.set(i, false) }

func (r *relays) set(i int, cut bool) {
	r.mu.Lock()
	for j := range r.hosts {
		if j != i {
			r.cut[pairOf(i, j)] = cut
		}
	}
	r.mu.Unlock()
	r.drop(r.isCut)
}

func (r *relays) isCut(p pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut[p]
}

// drop ends the connections of the chosen pairs with a reset, as a machine that lost its network would see it later.
func (r *relays) drop(chosen func(pair) bool) {
	r.mu.Lock()
	all := make(map[net.Conn]pair, len(r.conns))
	for c, p := range r.conns {
		all[c] = p
	}
	r.mu.Unlock()
	for c, p := range all {
		if chosen(p) {
			reset(c)
		}
	}
}

// sender returns the index of the host with this own address, or -1.
func (r *relays) sender(a netip.Addr) int {
	for i, h := range r.hosts {
		if h.own == a.Unmap() {
			return i
		}
	}
	return -1
}

// accept carries every connection in a goroutine of its own, until ctx is done.
func accept(ctx context.Context, l *net.TCPListener, tasks *sync.WaitGroup, carry func(conn *net.TCPConn)) {
	for {
		conn, err := l.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				reset(conn)
			}
			return
		}
		if err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		tasks.Go(func() { carry(conn) })
	}
}

// carry copies one connection both ways to its end.
func (r *relays) carry(ctx context.Context, in *net.TCPConn, l relayListener) {
	from := -1
	if a, ok := in.RemoteAddr().(*net.TCPAddr); ok {
		from = r.sender(a.AddrPort().Addr())
	}
	p := pairOf(from, l.host)
	if !r.enter(in, p) {
		reset(in)
		return
	}
	defer r.leave(in)
	dialer := net.Dialer{Timeout: relayDial}
	if from >= 0 {
		// The till sees the caller under the address it knows it by.
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.hosts[from].public, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", l.target.String())
	if err != nil {
		reset(in) // the till is down; its caller tries again
		return
	}
	out, ok := conn.(*net.TCPConn)
	if !ok || !r.enter(out, p) {
		reset(conn)
		reset(in)
		return
	}
	defer r.leave(out)
	if ctx.Err() != nil { // close has passed by already
		reset(out)
		reset(in)
		return
	}
	var back sync.WaitGroup
	back.Go(func() { pipe(in, out) })
	pipe(out, in)
	back.Wait()
	hangUp(in)
	hangUp(out)
}

// enter notes a connection unless its pair is cut off.
func (r *relays) enter(c net.Conn, p pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut[p] {
		return false
	}
	r.conns[c] = p
	return true
}

func (r *relays) leave(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// pipe copies until one side ends. A clean end is passed on, anything else ends both connections.
func pipe(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		reset(to)
		reset(from)
	}
}

// reset ends a connection so that the other side notices at once.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		// It fails only on a connection that is closed already, which is what we want.
		_ = tcp.SetLinger(0)
	}
	hangUp(c)
}

// hangUp closes a connection that nobody needs any more; that it was closed before is no news.
func hangUp(c io.Closer) { _ = c.Close() }

// forward carries datagrams for one host. They leave from the socket of their sender's relay, so that an answer to
// where they came from finds its way. One that cannot be sent is lost, as datagrams are.
func (r *relays) forward(ctx context.Context, to int) {
	target := netip.AddrPortFrom(r.hosts[to].own, r.port+1)
	b := make([]byte, maxDatagram)
	for {
		n, source, err := r.packets[to].ReadFromUDPAddrPort(b)
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the till is down: the kernel passes on that an earlier datagram was not taken
		}
		from := r.sender(source.Addr())
		if from < 0 || from == to || r.isCut(pairOf(from, to)) {
			continue
		}
		_, _ = r.packets[from].WriteToUDPAddrPort(b[:n], target)
	}
}
