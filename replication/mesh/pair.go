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
	pairAtOnce  = 4
	pairTimeout = 60 * time.Second
	pairBurst   = 8 // then one per second
)

var errPairRefused = errors.New("pairing refused")

// pair hands a pairing connection to the handler, within its bounds.
func (s *Links) pair(ctx context.Context, conn *tls.Conn, tcp *countedConn, peer crdt.TillID) {
	select {
	case s.pairSlots <- struct{}{}:
		defer func() { <-s.pairSlots }()
	default:
		s.refuse(tcp, fmt.Errorf("%w: %d others are pairing", errPairRefused, pairAtOnce))
		return
	}
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
// nothing vouches for yet. The connection ends by itself after 60 s; the caller closes it. dial may be nil.
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
	if err := raw.SetDeadline(time.Now().Add(pairTimeout)); err != nil {
		return nil, crdt.TillID{}, fmt.Errorf("bound the pairing: %w", err)
	}
	return conn, peer, nil
}
