package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// handshakeTimeout is for all from the first byte to "go"; on a LAN it takes a few milliseconds.
	handshakeTimeout = 3 * time.Second
	// handshakesAtOnce bounds the memory that silent callers can hold, and handshakesPerSource what one of them can
	// take from the others.
	handshakesAtOnce    = 32
	handshakesPerSource = 8
	// acceptPause is the wait after a failed accept; such failures (no file descriptors left) pass.
	acceptPause = 100 * time.Millisecond
)

var errNoise = errors.New("the caller does not speak TLS")

// acceptAll greets every caller in a goroutine of its own until ctx is done.
func (s *Links) acceptAll(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.discard(s.cfg.Listener) })
	defer stop()
	for {
		conn, err := s.cfg.Listener.Accept()
		switch {
		case err == nil:
			s.admitCaller(ctx, conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listener for links on %s was closed: %w", s.cfg.Listener.Addr(), err)
		default:
			s.cfg.Log.Warn("a connection could not be accepted", "error", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
		}
	}
}

// admitCaller starts the handshake if there is room for one more.
func (s *Links) admitCaller(ctx context.Context, conn net.Conn) {
	source, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		source = conn.RemoteAddr().String() // not TCP: the whole name is the source
	}
	if !s.gate.enter(source) {
		s.stats.busy.Add(1)
		s.discard(conn)
		return
	}
	release := sync.OnceFunc(func() { s.gate.leave(source) })
	s.tasks.Go(func() {
		defer release()
		s.greet(ctx, conn, release)
	})
}

// greet brings an incoming connection to its session. release gives the handshake's place back.
func (s *Links) greet(ctx context.Context, conn net.Conn, release func()) {
	tcp := &countedConn{Conn: conn}
	stop := context.AfterFunc(ctx, func() { s.discard(tcp) })
	defer stop()
	secure, err := s.serverHandshake(ctx, tcp)
	if err != nil {
		s.refuse(tcp, err)
		return
	}
	state := secure.ConnectionState()
	peer, err := peerOf(state)
	if err != nil {
		s.refuse(tcp, err)
		return
	}
	if state.NegotiatedProtocol == protocolPair {
		release()
		s.pair(ctx, secure, tcp, peer)
		return
	}
	l, err := s.settle(secure, tcp, peer, false)
	if err != nil {
		s.refuse(tcp, err)
		return
	}
	release()
	s.serve(ctx, l)
}

func (s *Links) refuse(conn net.Conn, err error) {
	s.count(err)
	s.cfg.Log.Debug("incoming connection refused", "from", conn.RemoteAddr().String(), "error", err)
	s.discard(conn)
}

// serverHandshake returns an authenticated connection whose peer may use the protocol it chose. The first byte is
// looked at before TLS gets to see it, so that noise is answered by nothing, not even an alert.
func (s *Links) serverHandshake(ctx context.Context, tcp *countedConn) (*tls.Conn, error) {
	if err := tune(tcp.Conn); err != nil {
		return nil, err
	}
	if err := tcp.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, fmt.Errorf("bound the handshake: %w", err)
	}
	const recordHandshake = 0x16
	first := make([]byte, 1)
	if _, err := io.ReadFull(tcp, first); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("the caller said nothing: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoise, err)
	}
	if first[0] != recordHandshake {
		return nil, fmt.Errorf("%w: first byte %#02x", errNoise, first[0])
	}
	secure := tls.Server(&replayedConn{Conn: tcp, first: first}, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: s.configFor,
	})
	return secure, secure.HandshakeContext(ctx)
}

// configFor picks the TLS of the use that the caller asks for. A caller for another shop, or for nothing we know, is
// refused here, before our key is shown.
func (s *Links) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	switch {
	case slices.Contains(hello.SupportedProtos, protocolLink):
		if hello.ServerName != linkServerName(s.cfg.Shop) {
			return nil, errOtherShop
		}
		return s.cfg.Identity.linkConfig(s.cfg.Shop, s.check), nil
	case slices.Contains(hello.SupportedProtos, protocolPair):
		if s.cfg.Pair == nil {
			return nil, fmt.Errorf("%w: nobody pairs here", errPairRefused)
		}
		return s.cfg.Identity.pairConfig(), nil
	}
	return nil, errWrongProtocol
}

// replayedConn gives the bytes in first to its reader before those of the connection.
type replayedConn struct {
	net.Conn
	first []byte
}

func (c *replayedConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// gate counts the handshakes under way, in all and by source address.
type gate struct {
	mu       sync.Mutex
	all      int
	bySource map[string]int
}

func (g *gate) enter(source string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= handshakesAtOnce || g.bySource[source] >= handshakesPerSource {
		return false
	}
	g.all++
	g.bySource[source]++
	return true
}

func (g *gate) leave(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.bySource[source]--; g.bySource[source] == 0 {
		delete(g.bySource, source)
	}
}
