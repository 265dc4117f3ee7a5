package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// dialsPerTarget bounds the addresses of one till that are tried at the same time.
const dialsPerTarget = 4

// errOtherTill ends a connection to an address where another till answered than the one looked for.
var errOtherTill = errors.New("another till answers there")

// reach tries the addresses of one place, several at a time; the first that gives a link to the wanted till (any
// allowed one if want is zero) ends the search. found is the till that answered last, also when it gave no link.
func (s *Links) reach(ctx context.Context, addrs []string, want crdt.TillID) (l *Link, found crdt.TillID, err error) {
	type answer struct {
		link *Link
		till crdt.TillID
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer, len(addrs))
	slots := make(chan struct{}, dialsPerTarget)
	var dials sync.WaitGroup
	for _, addr := range addrs {
		dials.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				answers <- answer{err: ctx.Err()}
				return
			}
			link, till, err := s.dialOne(ctx, addr, want)
			if err != nil {
				err = fmt.Errorf("%s: %w", addr, err)
			}
			answers <- answer{link, till, err}
		})
	}
	for range addrs {
		a := <-answers
		if !a.till.IsZero() {
			found = a.till
		}
		err = errors.Join(err, a.err)
		switch {
		case a.link == nil:
		case l == nil:
			l = a.link
			cancel() // the losers end at once, whatever they wait for
		default:
			if l.closed.Load() {
				l, a.link = a.link, l // the peer settled on the later one
			}
			s.abandon(a.link)
		}
	}
	cancel()
	dials.Wait()
	return l, found, err
}

// dialOne tries one address. The till that answered is returned with an error, too, when it proved its key.
func (s *Links) dialOne(ctx context.Context, addr string, want crdt.TillID) (*Link, crdt.TillID, error) {
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := s.cfg.Dial(connect, "tcp", addr)
	if err != nil {
		return nil, crdt.TillID{}, err
	}
	tcp := &countedConn{Conn: raw}
	stop := context.AfterFunc(ctx, func() { s.discard(tcp) })
	l, peer, err := s.clientHandshake(ctx, tcp, want)
	inTime := stop()
	switch {
	case err != nil:
		s.discard(tcp)
		if refusal(err) {
			s.count(err)
		}
		return nil, peer, err
	case !inTime:
		s.abandon(l)
		return nil, peer, ctx.Err()
	}
	return l, peer, nil
}

// clientHandshake makes the link over a fresh connection.
func (s *Links) clientHandshake(ctx context.Context, tcp *countedConn, want crdt.TillID) (*Link, crdt.TillID, error) {
	if err := tune(tcp.Conn); err != nil {
		return nil, crdt.TillID{}, err
	}
	if err := tcp.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, crdt.TillID{}, fmt.Errorf("bound the handshake: %w", err)
	}
	var peer crdt.TillID
	conn := tls.Client(tcp, s.cfg.Identity.linkConfig(s.cfg.Shop, func(till crdt.TillID) error {
		peer = till
		if !want.IsZero() && till != want {
			return fmt.Errorf("%w: %s", errOtherTill, till.Short())
		}
		return s.check(till)
	}))
	if err := conn.HandshakeContext(ctx); errors.Is(err, errSelf) {
		return nil, s.cfg.Identity.Till(), err
	} else if err != nil {
		return nil, peer, err
	}
	l, err := s.settle(conn, tcp, peer, true)
	return l, peer, err
}

// refusal tells a peer that we refused from one that was not reached; only the first kind has a counter of its own.
func refusal(err error) bool {
	return errors.Is(err, errNotChosen) || errors.Is(err, errUnknownKey) || errors.Is(err, errWrongProtocol)
}
