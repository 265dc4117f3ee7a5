package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// dialsPerTarget bounds the addresses of one till that are tried at the same time.
const dialsPerTarget = 4

// errOtherTill ends a connection to an address where another till answered than the one looked for.
var errOtherTill = errors.New("another till answers there")

// reach tries the addresses of one place, several at a time; the first that gives a link to the wanted till (any
// allowed one if want is zero) ends the search. found is the till that answered last, also when it gave no link. When
// connect is done addresses that did not answer yet are given up.
func (s *Links) reach(ctx, connect context.Context, addrs []string, want crdt.TillID) (l *Link, found crdt.TillID, err error) {
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
			link, till, err := s.dialOne(ctx, connect, addr, want)
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
func (s *Links) dialOne(ctx, connect context.Context, addr string, want crdt.TillID) (*Link, crdt.TillID, error) {
	raw, err := s.connect(ctx, connect, addr)
	if err != nil {
		if ctx.Err() == nil && connect.Err() == nil {
			s.note(addr, crdt.TillID{}, fmt.Errorf("%w: %w", errNoConnection, err))
		}
		return nil, crdt.TillID{}, err
	}
	tcp := &countedConn{Conn: raw}
	stop := context.AfterFunc(ctx, func() { s.discard(tcp) })
	l, peer, err := s.clientHandshake(ctx, tcp, want)
	inTime := stop()
	if inTime {
		s.note(addr, peer, err)
	}
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
	s.prove(addr)
	return l, peer, nil
}

// connect opens a connection; either context ends the try.
func (s *Links) connect(ctx, connect context.Context, addr string) (net.Conn, error) {
	if !s.isProven(addr) {
		if err := s.unproven.Wait(ctx); err != nil {
			return nil, err
		}
	}
	connect, cancel := context.WithTimeout(connect, connectTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return s.cfg.Dial(connect, "tcp", addr)
}

// maxProven bounds the addresses remembered because they led to a link.
const maxProven = 1024

func (s *Links) isProven(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.mu.proven[addr]
	return ok
}

func (s *Links) prove(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.proven) >= maxProven {
		clear(s.mu.proven)
	}
	s.mu.proven[addr] = struct{}{}
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
	return errors.Is(err, errNotChosen) || errors.Is(err, errUnknownKey) || errors.Is(err, errRemoved) ||
		errors.Is(err, errWrongProtocol)
}
