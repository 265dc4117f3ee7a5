package pairing

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// RequestLifetime is how long a request waits for a person.
	RequestLifetime = 5 * time.Minute
	// MaxWaiting is how many requests wait at once. None is pushed out by another.
	MaxWaiting = 8
	// maxPerAddress leaves room for one more try of a machine whose last one was cut off unnoticed.
	maxPerAddress = 2

	requestIDLen = 4 // characters of the token's alphabet
)

// Waiting is a request on which a person at this till decides. Its texts are a stranger's, made fit for a screen: at most 40
// characters, one line, without six digits. Show Digits apart from them and first.
type Waiting struct {
	// ID is what [Requests.Decide] takes: four characters, drawn anew for each request.
	ID string
	// Digits are to be the same on the screen of the new till.
	Digits Digits
	// Name, Version and Mode are what the new till says about itself.
	Name, Version, Mode string
	// Till is the ID that it will have.
	Till crdt.TillID
	// Replaces is the till whose place it wants to take, or zero.
	Replaces crdt.TillID
	// Address is where it is, or the zero address if the connection does not say.
	Address netip.Addr
	// Since and Expires are when it came and when it is forgotten.
	Since, Expires time.Time
}

// Requests are the new tills that wait at one till of the shop until a person there has compared six digits. They live in
// memory only.
type Requests struct {
	key     ed25519.PrivateKey
	random  io.Reader
	now     func() time.Time
	changed func()

	mu        sync.Mutex // also guards random
	seats     []*seat    // oldest first, at most MaxWaiting
	door      tries
	addresses map[netip.Addr]*tries // of those that failed lately; the door bounds how many can
}

// NewRequests returns an empty list with the door open. key is the device key of this till. random must be
// cryptographically secure and now a clock that does not jump (time.Now) outside tests. changed is called whenever
// [Requests.Waiting] or [Requests.Closed] may have changed, from several goroutines; it must not block.
func NewRequests(key ed25519.PrivateKey, random io.Reader, now func() time.Time, changed func()) *Requests {
	return &Requests{key: key, random: random, now: now, changed: changed, addresses: map[netip.Addr]*tries{}}
}

// Waiting returns the requests that can be decided, the oldest first, at most [MaxWaiting].
func (r *Requests) Waiting() []Waiting {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Waiting
	for _, s := range r.seats {
		if s.waiting.ID != "" && !s.settled {
			list = append(list, s.waiting)
		}
	}
	return list
}

// Decide says yes or no to a waiting request, and returns once the new till is admitted or refused. A no is done at once.
// After a yes the error is that of [Reception.Accept]: with [ErrUnconfirmed] the till is admitted. It returns
// [ErrNoRequest] if none has that ID (read like a token: case does not matter, o is 0) or somebody decided already. When ctx is done it only stops
// waiting: the decision stands.
func (r *Requests) Decide(ctx context.Context, id string, yes bool) (Waiting, error) {
	s, err := r.decide(id, yes)
	if err != nil {
		return Waiting{}, err
	}
	r.changed()
	if !yes {
		return s.waiting, nil
	}
	select {
	case <-s.over:
		return s.waiting, s.outcome
	case <-ctx.Done():
		return s.waiting, fmt.Errorf("admit %q: no longer waiting for the end: %w", s.waiting.Name, context.Cause(ctx))
	}
}

// RequestID returns the one spelling of a request's ID that a person typed: it is read like a token.
func RequestID(typed string) string {
	return strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(strings.TrimSpace(typed)))
}

func (r *Requests) decide(id string, yes bool) (*seat, error) {
	id = RequestID(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seats {
		if id != "" && s.waiting.ID == id && !s.settled {
			s.settled, s.yes = true, yes
			s.decision <- yes
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w (%.20q)", ErrNoRequest, id)
}

// Closed reports whether the door is closed after [MaxTries] failed requests, and until when.
func (r *Requests) Closed() (until time.Time, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.door.until, r.door.closed(r.now())
}

// Reopen opens the door: three more requests may fail. An address that was barred by three failures of its own gets one
// more try, so a single machine cannot close the door again.
func (r *Requests) Reopen() {
	r.mu.Lock()
	now := r.now()
	r.door = tries{}
	for _, t := range r.addresses {
		t.pardon(now)
	}
	r.mu.Unlock()
	r.changed()
}
