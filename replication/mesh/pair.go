package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

const (
	pairAtOnce    = 12 // as many as wait for a person, and four with a token beside them
	pairPerSource = 3  // at once, so that one machine cannot keep all others out
	// pairTimeout is beyond what an admission by six digits may take in all: five minutes for a person, one for the end.
	// The protocol above it bounds each step, most of them to seconds.
	pairTimeout = 7 * time.Minute
	// dialledPairTimeout is that of the caller, so that the called till is the one that ends it and says why.
	dialledPairTimeout = 8 * time.Minute
	pairBurst          = 16
	pairEvery          = 250 * time.Millisecond // after the burst
)

var errPairRefused = errors.New("pairing refused")

// pair hands a pairing connection to the handler, within its bounds.
func (s *Links) pair(ctx context.Context, conn *tls.Conn, tcp *countedConn, peer crdt.TillID) {
	leave, err := s.pairGate.enter(sourceOf(tcp.RemoteAddr()), s.cfg.Now())
	if err != nil {
		s.refuse(tcp, fmt.Errorf("%w: %w", errPairRefused, err))
		return
	}
	defer leave()
	if !s.pairRate.AllowN(s.cfg.Now(), 1) {
		s.refuse(tcp, fmt.Errorf("%w: too many tries", errPairRefused))
		return
	}
	defer s.discard(tcp)
	if err := tcp.SetDeadline(time.Now().Add(pairTimeout)); err != nil {
		s.refuse(tcp, fmt.Errorf("%w: %w", errPairRefused, err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	s.stats.paired.Add(1)
	s.cfg.Pair(ctx, conn, peer)
}

// DialPairing opens a pairing connection to the till at addr ("host:port") and returns it with the till's ID, which
// nothing vouches for yet. The connection ends by itself after 8 minutes; the caller closes it. dial may be nil.
func DialPairing(ctx context.Context, id *Identity, dial DialFunc, addr string) (*tls.Conn, crdt.TillID, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	fail := func(err error) (*tls.Conn, crdt.TillID, error) {
		return nil, crdt.TillID{}, fmt.Errorf("pairing with the till at %s: %w", addr, err)
	}
	raw, err := dial(ctx, "tcp", addr)
	if err != nil {
		return fail(err)
	}
	conn, peer, err := pairOver(ctx, id, raw)
	if err != nil {
		return fail(errors.Join(err, raw.Close()))
	}
	return conn, peer, nil
}

func pairOver(ctx context.Context, id *Identity, raw net.Conn) (*tls.Conn, crdt.TillID, error) {
	if err := tune(raw); err != nil {
		return nil, crdt.TillID{}, err
	}
	if err := raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, crdt.TillID{}, fmt.Errorf("bound the handshake: %w", err)
	}
	conn := tls.Client(raw, id.pairConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, crdt.TillID{}, fmt.Errorf("handshake: %w", err)
	}
	peer, err := peerOf(conn.ConnectionState())
	if err != nil {
		return nil, crdt.TillID{}, err
	}
	if err := raw.SetDeadline(time.Now().Add(dialledPairTimeout)); err != nil {
		return nil, crdt.TillID{}, fmt.Errorf("bound the pairing: %w", err)
	}
	return conn, peer, nil
}
