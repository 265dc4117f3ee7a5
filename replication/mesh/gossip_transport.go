package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// gossipBacklog is how many packets wait for memberlist; it takes each within microseconds.
const gossipBacklog = 128

// gossipTransport is the network of a membership: TCP and UDP on one port, of both versions of IP. The library's own
// takes one version, 64 KiB of memory for every packet of anybody, and streams without bound.
type gossipTransport struct {
	port    uint16
	udp     *net.UDPConn
	tcp     *net.TCPListener
	guard   *gossipGuard
	zones   zones
	dialer  net.Dialer
	log     *log.Logger
	packets chan *memberlist.Packet
	streams chan net.Conn
	down    <-chan struct{}
	stop    context.CancelFunc
	once    sync.Once
	tasks   sync.WaitGroup
}

var _ memberlist.Transport = (*gossipTransport)(nil)

// listenGossip binds TCP and UDP. Port 0 takes a free one, an unspecified address all of this machine. Connections come
// from the bound address, as packets do.
func listenGossip(bind netip.AddrPort, guard *gossipGuard, logger *log.Logger) (*gossipTransport, error) {
	ctx, stop := context.WithCancel(context.Background()) // Shutdown ends it
	fail := func(err error) (*gossipTransport, error) {
		stop()
		return nil, fmt.Errorf("listen for gossip on %s: %w", bind, err)
	}
	t := &gossipTransport{
		guard: guard, log: logger, packets: make(chan *memberlist.Packet, gossipBacklog), streams: make(chan net.Conn),
		down: ctx.Done(), stop: stop,
	}
	at := net.TCPAddr{Port: int(bind.Port())}
	if ip := bind.Addr(); ip.IsValid() && !ip.IsUnspecified() {
		at = *net.TCPAddrFromAddrPort(bind)
		t.dialer.LocalAddr = &net.TCPAddr{IP: at.IP, Zone: at.Zone}
	}
	var err error
	if t.tcp, err = net.ListenTCP("tcp", &at); err != nil {
		return fail(err)
	}
	bound, ok := t.tcp.Addr().(*net.TCPAddr)
	if !ok {
		return fail(errors.Join(errors.New("not a TCP address"), t.tcp.Close()))
	}
	if t.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: bound.Port, Zone: at.Zone}); err != nil {
		return fail(errors.Join(err, t.tcp.Close()))
	}
	t.port = uint16(bound.Port)
	t.tasks.Go(t.readPackets)
	t.tasks.Go(func() { t.acceptStreams(ctx) })
	return t, nil
}

// readPackets hands over what the guard lets through. Everything is read into the same buffer, so junk costs no memory.
func (t *gossipTransport) readPackets() {
	buffer, scratch := make([]byte, maxGossipPacket+1), make([]byte, 0, maxGossipPacket+1)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if t.ended() {
				return
			}
			t.log.Printf("[ERR] a packet could not be read: %v", err)
			t.pause()
			continue
		}
		now := time.Now()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if err := t.guard.packet(buffer[:n], scratch); err != nil {
			t.guard.refuse(from.Addr().WithZone(""), err)
			continue
		}
		t.zones.learn(from.Addr())
		p := &memberlist.Packet{Buf: append([]byte(nil), buffer[:n]...), From: net.UDPAddrFromAddrPort(from), Timestamp: now}
		select {
		case t.packets <- p:
		default: // lost, as UDP may lose it
			t.guard.overrun.Add(1)
		}
	}
}

// acceptStreams lets the guard look at each caller in a goroutine of its own.
func (t *gossipTransport) acceptStreams(ctx context.Context) {
	for {
		conn, err := t.tcp.Accept()
		if err != nil {
			if t.ended() {
				return
			}
			t.log.Printf("[ERR] a connection could not be accepted: %v", err)
			t.pause()
			continue
		}
		from := ipOf(conn.RemoteAddr()).WithZone("")
		leave, err := t.guard.gate.enter(from.String(), time.Now())
		if err != nil {
			t.guard.refuse(from, err)
			t.close(conn)
			continue
		}
		guarded := &gatedConn{Conn: conn, leave: leave}
		t.tasks.Go(func() { t.greet(ctx, guarded, from) })
	}
}

func (t *gossipTransport) greet(ctx context.Context, conn net.Conn, from netip.Addr) {
	stop := context.AfterFunc(ctx, func() { t.close(conn) })
	proven, err := conn, conn.SetDeadline(time.Now().Add(gossipTimeout))
	if err == nil {
		proven, err = t.guard.stream(conn)
	}
	if !stop() {
		return // closed already
	}
	if err != nil {
		t.guard.refuse(from, err)
		t.close(conn)
		return
	}
	select {
	case t.streams <- proven:
	case <-t.down:
		t.close(conn)
	}
}

func (t *gossipTransport) ended() bool {
	select {
	case <-t.down:
		return true
	default:
		return false
	}
}

// pause waits a little after an error that may come again at once.
func (t *gossipTransport) pause() {
	select {
	case <-t.down:
	case <-time.After(acceptPause):
	}
}

func (t *gossipTransport) close(c io.Closer) {
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.log.Printf("[DEBUG] closing a connection failed: %v", err)
	}
}

// gatedConn gives its place back when it is closed.
type gatedConn struct {
	net.Conn
	leave func()
}

func (c *gatedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// FinalAdvertiseAddr implements memberlist.Transport; the address is always configured.
func (t *gossipTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, 0, fmt.Errorf("address of this till: %w", err)
	}
	return a.Unmap().AsSlice(), port, nil
}

// PacketCh implements memberlist.Transport.
func (t *gossipTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *gossipTransport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo implements memberlist.Transport.
func (t *gossipTransport) WriteTo(b []byte, to string) (time.Time, error) {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return time.Time{}, fmt.Errorf("send gossip: %w", err)
	}
	for _, a := range t.zones.of(addr.Addr()) {
		_, e := t.udp.WriteToUDPAddrPort(b, netip.AddrPortFrom(a, addr.Port()))
		err = errors.Join(err, e)
	}
	return time.Now(), err
}

// DialTimeout implements memberlist.Transport. Shutdown ends dials under way. Who answers may be anybody, so no more is
// read from it than a shop needs.
func (t *gossipTransport) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, fmt.Errorf("connect for gossip: %w", err)
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	watching.Go(func() {
		select {
		case <-t.down:
			cancel()
		case <-ctx.Done():
		}
	})
	places := t.zones.of(addr.Addr())
	for _, a := range places {
		dialer := t.dialer
		dialer.Timeout = timeout / time.Duration(len(places))
		conn, e := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, addr.Port()).String())
		if e == nil {
			return &readConn{Conn: conn, rest: io.LimitReader(conn, maxGossipStream)}, nil
		}
		err = errors.Join(err, e)
	}
	return nil, err
}

// Shutdown implements memberlist.Transport and may be called again.
func (t *gossipTransport) Shutdown() error {
	var err error
	t.once.Do(func() {
		t.stop()
		err = errors.Join(t.tcp.Close(), t.udp.Close())
		t.tasks.Wait()
	})
	return err
}

// held lets the library read nothing until it has made itself known in its own list. What others still say of this till's
// run before would otherwise come between: v0.7.0 then answers it with a higher number than that of its own first word, drops that
// word as outdated, is dead in its own list for good, and panics when it leaves.
type held struct {
	memberlist.Transport
	made <-chan struct{}
}

var _ memberlist.NodeAwareTransport = held{}

// PacketCh implements memberlist.Transport; the library asks again for every packet.
func (h held) PacketCh() <-chan *memberlist.Packet {
	<-h.made
	return h.Transport.PacketCh()
}

// StreamCh implements memberlist.Transport.
func (h held) StreamCh() <-chan net.Conn {
	<-h.made
	return h.Transport.StreamCh()
}

// WriteToAddress implements memberlist.NodeAwareTransport; the name in the address is not needed to send.
func (h held) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return h.WriteTo(b, a.Addr)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (h held) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return h.DialTimeout(a.Addr, timeout)
}
