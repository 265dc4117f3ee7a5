package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// The two bytes that settle a link, and the one that refuses it, see the package comment.
const (
	byteReady   = 'R' // from the higher till: I took your key and have no better connection
	byteGo      = 'G' // from the lower till: this one
	byteRemoved = 'X' // from the called till, in place of either: you were removed from the shop
)

// crossing is how long after a link was made a connection from the higher till counts as one that crossed it, not as
// the sign that its end of the link is gone.
const crossing = time.Second

// errNotChosen ends a connection to a till that has a link already.
var errNotChosen = errors.New("the till has another link")

// settle agrees with the peer on this connection and registers it. The deadline of the handshake is still running.
func (s *Links) settle(conn *tls.Conn, tcp *countedConn, peer crdt.TillID, dialled bool) (*Link, error) {
	l := newLink(conn, tcp, peer, dialled, s.cfg.Now)
	var err error
	if s.cfg.Identity.Till().Compare(peer) < 0 {
		err = s.decide(l)
	} else {
		err = s.follow(l)
	}
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		s.abandon(l)
		return nil, fmt.Errorf("lift the deadline of the handshake: %w", err)
	}
	if dialled {
		s.stats.dialled.Add(1)
	} else {
		s.stats.accepted.Add(1)
	}
	return l, nil
}

// decide is settle on the till with the lower ID.
func (s *Links) decide(l *Link) error {
	if err := expect(l.conn, byteReady); err != nil {
		return err
	}
	if err := s.admit(l, false); err != nil {
		return err
	}
	if _, err := l.conn.Write([]byte{byteGo}); err != nil {
		s.abandon(l)
		return fmt.Errorf("say go: %w", err)
	}
	return nil
}

// follow is settle on the till with the higher ID.
func (s *Links) follow(l *Link) error {
	if l.dialled && s.linked(l.peer) {
		return errNotChosen
	}
	if _, err := l.conn.Write([]byte{byteReady}); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	err := expect(l.conn, byteGo)
	if errors.Is(err, io.EOF) && s.linked(l.peer) {
		return errNotChosen
	}
	if err != nil {
		return err
	}
	return s.admit(l, true)
}

func expect(r io.Reader, want byte) error {
	var got [1]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return fmt.Errorf("wait for %q: %w", want, err)
	}
	if got[0] == byteRemoved {
		return errToldRemoved
	}
	if got[0] != want {
		return fmt.Errorf("%w: %#02x instead of %q", errWrongProtocol, got[0], want)
	}
	return nil
}

// admit makes l the link to its till. What was there is replaced if chosen says so (the lower till decided), else only
// by a connection that proves it stale.
func (s *Links) admit(l *Link, chosen bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopped {
		return net.ErrClosed
	}
	// Asked again under the lock: the till may have been revoked since its handshake, and Recheck has passed by.
	if err := s.check(l.peer); err != nil {
		return err
	}
	old := s.mu.links[l.peer]
	if old != nil && !old.closed.Load() {
		if !chosen && (l.dialled || s.cfg.Now().Sub(old.since) < crossing) {
			return errNotChosen
		}
		s.stats.replaced.Add(1)
		s.discard(old)
	}
	if old != nil {
		l.after = old.served
	}
	s.mu.links[l.peer] = l
	return nil
}

// linked reports whether there is an open link to the till.
func (s *Links) linked(till crdt.TillID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.linkedLocked(till)
}

func (s *Links) linkedLocked(till crdt.TillID) bool {
	l := s.mu.links[till]
	return l != nil && !l.closed.Load()
}

// serve runs the session of an admitted link to its end.
func (s *Links) serve(ctx context.Context, l *Link) {
	defer s.abandon(l)
	if l.after != nil {
		<-l.after // the session of the link that this one replaced; its connection is closed
	}
	if l.closed.Load() {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.tasks.Go(func() {
		select {
		case <-l.done:
			cancel()
		case <-ctx.Done():
		}
	})
	log := s.cfg.Log.With("till", l.peer.Short(), "address", l.RemoteAddr().String(), "dialled", l.dialled)
	log.Info("link up")
	err := s.cfg.Serve(ctx, l)
	log.Info("link down", "error", err, "lasted", s.cfg.Now().Sub(l.since).Round(time.Millisecond))
}

// abandon ends an admitted link, whether it was served or not, and lets the dial loop know.
func (s *Links) abandon(l *Link) {
	s.discard(l)
	s.mu.Lock()
	if s.mu.links[l.peer] == l {
		delete(s.mu.links, l.peer)
	}
	s.lostLocked(l)
	s.mu.Unlock()
	s.signal()
	if l.after == nil {
		close(l.served)
		return
	}
	s.tasks.Go(func() {
		<-l.after // whoever waits for this link waits for those before it, too
		close(l.served)
	})
}
