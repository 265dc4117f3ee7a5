package pairing

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// seat is a new till from the moment that this till reveals its nonce: from then on it counts as a try. Guarded by
// Requests.mu, but for the channels.
type seat struct {
	address  netip.Addr
	waiting  Waiting // with an ID once it can be decided
	settled  bool    // decided, or too late for it
	yes      bool
	decision chan bool // takes one value
	over     chan struct{}
	outcome  error // valid once over is closed
}

// mayEnter says whether a request from this address has a chance.
func (r *Requests) mayEnter(address netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mayEnterLocked(address)
}

func (r *Requests) mayEnterLocked(address netip.Addr) error {
	now := r.now()
	if r.door.closed(now) {
		return ErrDoorClosed
	}
	if t := r.addresses[address]; t != nil && t.closed(now) {
		return fmt.Errorf("%w (for %v alone)", ErrDoorClosed, address)
	}
	here := 0
	for _, s := range r.seats {
		if s.address == address {
			here++
		}
	}
	if len(r.seats) >= MaxWaiting || here >= maxPerAddress {
		return fmt.Errorf("%w (%d, %d of them from %v)", ErrBusy, len(r.seats), here, address)
	}
	return nil
}

// enter takes a seat.
func (r *Requests) enter(address netip.Addr) (*seat, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.mayEnterLocked(address); err != nil {
		return nil, err
	}
	s := &seat{address: address, decision: make(chan bool, 1), over: make(chan struct{})}
	r.seats = append(r.seats, s)
	return s, nil
}

// wait lets people see the request and decide on it.
func (r *Requests) wait(s *seat, req Request, digits Digits) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.drawIDLocked()
	if err != nil {
		return err
	}
	now := r.now()
	s.waiting = Waiting{
		ID: id, Digits: digits, Address: s.address, Till: crdt.TillIDOf(req.DeviceKey), Replaces: req.Replaces,
		Name: cmp.Or(screenText(req.Name), "(unnamed)"), Version: screenText(req.Version), Mode: screenText(req.Mode),
		Since: now, Expires: now.Add(RequestLifetime),
	}
	return nil
}

func (r *Requests) drawIDLocked() (string, error) {
	for range 100 { // one in a hundred thousand is taken, unless the source repeats itself
		var b [requestIDLen]byte
		if _, err := io.ReadFull(r.random, b[:]); err != nil {
			return "", fmt.Errorf("draw the ID of a request: %w", err)
		}
		for i := range b {
			b[i] = tokenChars[int(b[i])%len(tokenChars)]
		}
		id := string(b[:])
		if !slices.ContainsFunc(r.seats, func(s *seat) bool { return s.waiting.ID == id }) {
			return id, nil
		}
	}
	return "", fmt.Errorf("draw the ID of a request: the random source repeats itself: repair it before admitting anyone")
}

// expire reports whether nobody decided in time.
func (r *Requests) expire(s *seat) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.settled {
		return false
	}
	s.settled = true
	return true
}

// leave gives the seat back. Whatever ended without the yes of a person was a failed try. It returns ErrDoorClosed if that
// was one too many.
func (r *Requests) leave(s *seat, outcome error) error {
	closed := r.free(s)
	s.outcome = outcome
	close(s.over)
	r.changed()
	if closed {
		return ErrDoorClosed
	}
	return nil
}

func (r *Requests) free(s *seat) (closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.settled = true
	r.seats = slices.DeleteFunc(r.seats, func(other *seat) bool { return other == s })
	if s.yes {
		return false
	}
	now := r.now()
	for address, t := range r.addresses {
		if !t.forget(now) {
			delete(r.addresses, address)
		}
	}
	t := r.addresses[s.address]
	if t == nil {
		t = &tries{}
		r.addresses[s.address] = t
	}
	t.fail(now)
	return r.door.fail(now)
}

// draw returns the random bytes of one handshake.
func (r *Requests) draw() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seed := make([]byte, seedLen)
	if _, err := io.ReadFull(r.random, seed); err != nil {
		return nil, fmt.Errorf("draw keys for the handshake: %w", err)
	}
	return seed, nil
}

// addressOf returns where the other side is, without port, or the zero address.
func addressOf(conn net.Conn) netip.Addr {
	at := conn.RemoteAddr()
	if at == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return netip.Addr{} // not an IP connection
	}
	return ap.Addr().Unmap()
}
