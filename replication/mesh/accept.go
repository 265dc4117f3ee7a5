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
	"time"

	"github.com/tillmesh/tillmesh/crdt"
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

var (
	errNoise   = errors.New("the caller does not speak TLS")
	errTooSlow = errors.New("the caller did not say who it is in time")
	errTooFast = errors.New("connections in too short a time")
	errBusy    = errors.New("too many callers at once")
)

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
	release, err := s.gate.enter(sourceOf(conn.RemoteAddr()), s.cfg.Now())
	if err != nil {
		s.refuse(conn, err)
		return
	}
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: %w", errTooSlow, err)
	}
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
	l, err := s.link(secure, tcp, peer)
	if err != nil {
		s.refuse(tcp, err)
		return
	}
	s.gate.trust(sourceOf(conn.RemoteAddr()))
	release()
	s.serve(ctx, l)
}

// link settles an incoming connection. A till that was removed has proved its key by now, and is told; also if it is removed
// at this moment.
func (s *Links) link(conn *tls.Conn, tcp *countedConn, peer crdt.TillID) (*Link, error) {
	if s.cfg.Former != nil && s.cfg.Former(peer) {
		if err := s.check(peer); err != nil {
			s.tellRemoved(conn)
			return nil, err
		}
	}
	l, err := s.settle(conn, tcp, peer, false)
	if errors.Is(err, errRemoved) {
		s.tellRemoved(conn)
	}
	return l, err
}

func (s *Links) refuse(conn net.Conn, err error) {
	s.count(err)
	s.stranger(conn, err)
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
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoise, err)
	}
	if first[0] != recordHandshake {
		return nil, fmt.Errorf("%w: first byte %#02x", errNoise, first[0])
	}
	var refused error // why the configuration given makes the handshake fail
	secure := tls.Server(&replayedConn{Conn: tcp, first: first}, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (c *tls.Config, err error) {
			c, refused, err = s.configFor(hello)
			return c, err
		},
	})
	err := secure.HandshakeContext(ctx)
	if err != nil && refused != nil {
		err = fmt.Errorf("%w: %w", refused, err)
	}
	return secure, err
}

// configFor picks the TLS of the use that the caller asks for. A caller for another shop, or for nothing we know, is
// refused before our key is shown: it gets a configuration with which the handshake ends in the alert that says why.
func (s *Links) configFor(hello *tls.ClientHelloInfo) (c *tls.Config, refused, err error) {
	switch {
	case slices.Contains(hello.SupportedProtos, protocolLink):
		if hello.ServerName != linkServerName(s.cfg.Shop) {
			return nobody(protocolLink), errOtherShop, nil // alert 112, unrecognized_name
		}
		return s.cfg.Identity.linkConfig(s.cfg.Shop, s.checkCaller), nil, nil
	case slices.Contains(hello.SupportedProtos, protocolPair):
		if s.cfg.Pair == nil {
			return nil, nil, fmt.Errorf("%w: nobody pairs here", errPairRefused)
		}
		return s.cfg.Identity.pairConfig(), nil, nil
	case len(hello.SupportedProtos) > 0:
		return nobody(protocolLink), errWrongProtocol, nil // alert 120, no_application_protocol
	}
	return nil, nil, errWrongProtocol
}

// nobody is the TLS of a till that shows no key, so that every handshake with it fails.
func nobody(protocol string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{protocol}}
}

// checkCaller lets the handshake of a till that was removed come to its end, since only then it has proved its key and may
// be told.
func (s *Links) checkCaller(peer crdt.TillID) error {
	if err := s.check(peer); !errors.Is(err, errRemoved) {
		return err
	}
	return nil
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
