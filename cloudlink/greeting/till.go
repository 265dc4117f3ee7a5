package greeting

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Self is who answers a challenge, and whom it wants to speak to.
type Self struct {
	Shop     crdt.ShopID
	Key      ed25519.PrivateKey // the device key
	Cloud    crdt.TillID        // of the cloud that the shop's roster names
	Audience string             // the host that was called, see [Audience]
	Program  string             // at most 64 bytes
	Account  string             // that the shop was coupled with; may be empty
	Nonce    Nonce              // random and new
}

// Audience returns the spelling of a host, with its port if it has one, that is signed.
func Audience(host string) string { return strings.ToLower(host) }

// Answering is the till's side of one greeting, after its Proof.
type Answering struct {
	challenge, proof []byte
	cloud            [ed25519.PublicKeySize]byte
	// Challenge is what the cloud said. Nothing of it is proved before [Answering.End] returns a Welcome.
	Challenge Challenge
}

// Answer reads the first message and returns the Proof to send. The error is a *[Refusal] if the cloud refused at once, wraps
// [ErrOtherCloud], [ErrTooOld] or [ErrTooNew], or [codec.ErrMalformed] if that is no cloud of ours at all.
func Answer(challenge []byte, self Self) (*Answering, []byte, error) {
	e, err := openEnvelope(challenge)
	if err != nil {
		return nil, nil, fmt.Errorf("read the challenge: %w", err)
	}
	if e.kind == kindRefusal {
		r, err := readRefusal(e)
		if err != nil {
			return nil, nil, fmt.Errorf("read the refusal: %w", err)
		}
		return nil, nil, r
	}
	c, err := readChallenge(e)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read the challenge: %w", err)
	case crdt.TillIDOf(c.Key[:]) != self.Cloud:
		return nil, nil, fmt.Errorf("%w: it is %s, not %s", ErrOtherCloud, crdt.TillIDOf(c.Key[:]).Short(), self.Cloud.Short())
	case c.Oldest > Newest:
		return nil, nil, fmt.Errorf("%w: it speaks versions from %d on, this till up to %d", ErrTooOld, c.Oldest, Newest)
	case c.Newest < Oldest:
		return nil, nil, fmt.Errorf("%w: it speaks versions up to %d, this till from %d on", ErrTooNew, c.Newest, Oldest)
	}
	p := Proof{Version: min(c.Newest, Newest), Shop: self.Shop, Nonce: self.Nonce, Audience: Audience(self.Audience),
		Program: clip(self.Program, maxProgram), Account: clip(self.Account, maxAccount)}
	copy(p.Key[:], publicOf(self.Key))
	body := p.body()
	proof := envelope{kindProof, body, ed25519.Sign(self.Key, proofText(challenge, body))}.encode()
	return &Answering{challenge: challenge, proof: proof, cloud: c.Key, Challenge: c}, proof, nil
}

// End reads the last message. The error is a *[Refusal] if the cloud refused, wraps [ErrNotCloud] if a signature is wrong, or
// [codec.ErrMalformed].
func (a *Answering) End(message []byte) (Welcome, error) {
	e, err := openEnvelope(message)
	if err != nil {
		return Welcome{}, fmt.Errorf("read the end of the greeting: %w", err)
	}
	switch e.kind {
	case kindWelcome:
		w, err := readWelcome(e)
		if err != nil {
			return Welcome{}, fmt.Errorf("read the welcome: %w", err)
		}
		if !a.signed(textWelcome, e) {
			return Welcome{}, fmt.Errorf("%w: its welcome is not signed by its key", ErrNotCloud)
		}
		return w, nil
	case kindRefusal:
		r, err := readRefusal(e)
		if err != nil {
			return Welcome{}, fmt.Errorf("read the refusal: %w", err)
		}
		if len(e.signature) > 0 && !a.signed(textRefusal, e) {
			return Welcome{}, fmt.Errorf("%w: its refusal is not signed by its key", ErrNotCloud)
		}
		r.Signed = len(e.signature) > 0
		return Welcome{}, r
	case kindChallenge, kindProof:
	}
	return Welcome{}, fmt.Errorf("read the end of the greeting: %w: a message of kind %d", codec.ErrMalformed, e.kind)
}

func (a *Answering) signed(begin string, e envelope) bool {
	return len(e.signature) == ed25519.SignatureSize && ed25519.Verify(a.cloud[:], endText(begin, a.challenge, a.proof, e.body), e.signature)
}

// Believed reports whether what a refusal says is to be acted on: one that lasts is believed only if the cloud signed it, because
// anybody on the way can say the rest.
func (r *Refusal) Believed() bool { return r.Signed || !r.Code.Lasting() }

// RefusalOf returns the refusal in an error, or nil.
func RefusalOf(err error) *Refusal {
	r := (*Refusal)(nil)
	errors.As(err, &r)
	return r
}
