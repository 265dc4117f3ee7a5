package pairing

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flynn/noise"
)

const (
	// TokenLifetime is how long a token can be used.
	TokenLifetime = 15 * time.Minute
	// MaxOpen is how many tokens can be open at once. Used ones do not count.
	MaxOpen = 8

	// Wrong attempts, of all tills together: five in a minute close the door for the rest of that minute, ten in a
	// quarter of an hour withdraw every open token.
	minuteAttempts  = 5
	minute          = time.Minute
	quarterAttempts = 10
	quarter         = 15 * time.Minute
)

// Invitation is a token just issued, for the screen of the inviting till.
type Invitation struct {
	// Token is the secret to show. Invitations does not keep it.
	Token Token
	// Expires is the first instant at which it is refused.
	Expires time.Time
}

// Invitations are the open tokens of one till.
type Invitations struct {
	random io.Reader
	now    func() time.Time

	mu       sync.Mutex // also guards random
	byID     map[tokenID]*invitation
	failures []failure // wrong attempts of the last quarter, oldest first, at most 75
}

// failure is one wrong attempt. settled says that it already led to a withdrawal.
type failure struct {
	at      time.Time
	settled bool
}

// invitation is one token, as the key derived from it. Guarded by Invitations.mu.
type invitation struct {
	psk     [32]byte
	expires time.Time
	holder  ed25519.PublicKey // whose admission runs or was accepted; nil while free
	running int               // admissions of the holder that run now
	spent   bool              // an admission was accepted: the holder stays
}

// NewInvitations returns a set without open tokens. random must be cryptographically secure and now a clock that does not
// jump (time.Now, whose monotonic reading is used) outside tests.
func NewInvitations(random io.Reader, now func() time.Time) *Invitations {
	return &Invitations{random: random, now: now, byID: map[tokenID]*invitation{}}
}

// Issue draws a new token, or returns [ErrTooManyOpen].
func (in *Invitations) Issue() (Invitation, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.now()
	if in.openLocked(now) >= MaxOpen {
		return Invitation{}, fmt.Errorf("%w (%d)", ErrTooManyOpen, MaxOpen)
	}
	token, err := NewToken(in.random)
	if err != nil {
		return Invitation{}, err
	}
	psk, id, err := token.keys()
	if err != nil {
		return Invitation{}, err
	}
	if in.byID[id] != nil { // one in four thousand million, unless the source repeats itself
		return Invitation{}, fmt.Errorf("draw a token: its ID %x is taken: try again", id)
	}
	expires := now.Add(TokenLifetime)
	in.byID[id] = &invitation{psk: psk, expires: expires}
	return Invitation{Token: token, Expires: expires}, nil
}

// Open returns how many tokens could still be used by a new till.
func (in *Invitations) Open() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.openLocked(in.now())
}

// openLocked forgets what expired and counts what is open.
func (in *Invitations) openLocked(now time.Time) int {
	open := 0
	for id, inv := range in.byID {
		if !now.Before(inv.expires) {
			delete(in.byID, id)
		} else if !inv.spent {
			open++
		}
	}
	return open
}

// prove reads the first Noise message with the key of the named token. Everything happens under the lock, so that attempts
// at the same time cannot pass the limits together; there is no Diffie-Hellman in it, it takes microseconds. An unknown
// token is tried with a random key: it takes the same work and fails the same way.
func (in *Invitations) prove(h hello, joiner, inviter ed25519.PublicKey) (*invitation, *noise.HandshakeState, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.now()
	in.openLocked(now)
	in.forgetFailuresLocked(now)
	recent := 0
	for _, f := range in.failures {
		if now.Sub(f.at) < minute {
			recent++
		}
	}
	if recent >= minuteAttempts {
		return nil, nil, fmt.Errorf("%w (%d in the last minute)", ErrTooManyAttempts, recent)
	}

	var random [64]byte // a key that no token has, and our ephemeral key
	if _, err := io.ReadFull(in.random, random[:]); err != nil {
		return nil, nil, fmt.Errorf("draw a key for the handshake: %w", err)
	}
	psk := [32]byte(random[:32])
	inv := in.byID[h.id]
	if inv != nil {
		psk = inv.psk
	}
	hs, err := newHandshake(false, psk, h.id, joiner, inviter, bytes.NewReader(random[32:]))
	if err != nil {
		return nil, nil, err
	}
	if _, _, _, err := hs.ReadMessage(nil, h.noise[:]); err != nil || inv == nil {
		return nil, nil, errors.Join(ErrWrongToken, in.failedLocked(now))
	}
	return inv, hs, nil
}

func (in *Invitations) forgetFailuresLocked(now time.Time) {
	in.failures = slices.DeleteFunc(in.failures, func(f failure) bool { return now.Sub(f.at) >= quarter })
}

// failed counts a wrong attempt. It returns ErrWithdrawn if that was the one too many.
func (in *Invitations) failed() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.now()
	in.forgetFailuresLocked(now)
	return in.failedLocked(now)
}

// failedLocked withdraws the open tokens at the limit. Those bound to a device key stay: nobody else can use them, and
// that till may have to come again. The count starts anew, so that a new token is not withdrawn by the next wrong attempt.
func (in *Invitations) failedLocked(now time.Time) error {
	in.failures = append(in.failures, failure{at: now})
	unsettled := 0
	for _, f := range in.failures {
		if !f.settled {
			unsettled++
		}
	}
	if unsettled < quarterAttempts {
		return nil
	}
	for i := range in.failures {
		in.failures[i].settled = true
	}
	maps.DeleteFunc(in.byID, func(_ tokenID, inv *invitation) bool { return inv.holder == nil })
	return ErrWithdrawn
}

// hold binds the token to a device key while its admission runs. It returns a reason code if that cannot be.
func (in *Invitations) hold(id tokenID, inv *invitation, key ed25519.PublicKey) (code string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.byID[id] != inv || !in.now().Before(inv.expires) {
		return CodeExpired
	}
	if inv.holder != nil && !inv.holder.Equal(key) {
		return CodeUsed
	}
	inv.holder = slices.Clone(key)
	inv.running++
	return ""
}

// release ends what hold began. bound says that the key was admitted, or may have been.
func (in *Invitations) release(inv *invitation, bound bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	inv.running--
	inv.spent = inv.spent || bound
	if !inv.spent && inv.running == 0 {
		inv.holder = nil
	}
}
