package pairing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

const (
	dhLen      = 32
	commitLen  = sha256.Size
	proofLen   = ed25519.SignatureSize
	xxFirst    = dhLen                                            // e
	xxSecond   = dhLen + dhLen + tagLen + proofLen + tagLen       // e, static key, proof
	xxThird    = dhLen + tagLen + commitLen + proofLen + tagLen   // static key, commitment, proof
	seedLen    = dhLen + nonceLen + dhLen                         // static key, nonce, ephemeral key
	infoStatic = "tillmesh pairing six digits v1: static key\x00" // what a device key signs
)

// comparison is one Noise handshake (XX) of either side, with the nonce that the digits will need. Both keys are fresh: the
// device key, which is for signatures only, signs the static one. It is not safe for concurrent use.
type comparison struct {
	hs              *noise.HandshakeState
	key             ed25519.PrivateKey
	static          []byte // the own public static key
	nonce           nonce
	joiner, inviter ed25519.PublicKey
	committed       [commitLen]byte // by the new till; known to the inviting one after the third message
}

// newComparison prepares Noise_XX_25519_ChaChaPoly_SHA256. seed holds seedLen random bytes.
func newComparison(initiator bool, key ed25519.PrivateKey, joiner, inviter ed25519.PublicKey, seed []byte) (*comparison, error) {
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)
	random := bytes.NewReader(seed)
	static, err := suite.GenerateKeypair(random)
	if err != nil {
		return nil, fmt.Errorf("draw a key for the handshake: %w", err)
	}
	c := &comparison{key: key, static: static.Public, joiner: joiner, inviter: inviter}
	if _, err := io.ReadFull(random, c.nonce[:]); err != nil {
		return nil, fmt.Errorf("draw a nonce for the digits: %w", err)
	}
	bound := append([]byte(prologue), protocolVersion, methodDigits)
	bound = append(bound, joiner...)
	bound = append(bound, inviter...)
	c.hs, err = noise.NewHandshakeState(noise.Config{
		CipherSuite:   suite,
		Random:        random,
		Pattern:       noise.HandshakeXX,
		Initiator:     initiator,
		Prologue:      bound,
		StaticKeypair: static,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the Noise handshake: %w", err)
	}
	return c, nil
}

// first is the new till's first message.
func (c *comparison) first() ([]byte, error) {
	message, _, _, err := c.hs.WriteMessage(nil, nil)
	return message, drawn(err)
}

// second reads the first message and returns the inviting till's.
func (c *comparison) second(first []byte) ([]byte, error) {
	if len(first) != xxFirst {
		return nil, fmt.Errorf("%w: the first message has %d bytes, not %d", ErrMalformed, len(first), xxFirst)
	}
	if _, _, _, err := c.hs.ReadMessage(nil, first); err != nil {
		return nil, fmt.Errorf("%w: Noise: %w", ErrMalformed, err)
	}
	message, _, _, err := c.hs.WriteMessage(nil, c.prove())
	if err != nil { // an ephemeral key with which there is no secret to agree on
		return nil, fmt.Errorf("%w: Noise: %w", ErrMalformed, err)
	}
	return message, nil
}

// third reads the second message and returns the new till's last one, with the keys (sending, receiving).
func (c *comparison) third(second []byte) (message []byte, out, into *noise.CipherState, err error) {
	if len(second) != xxSecond {
		return nil, nil, nil, fmt.Errorf("%w: the second message has %d bytes, not %d", ErrMalformed, len(second), xxSecond)
	}
	proof, _, _, err := c.hs.ReadMessage(nil, second)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w (Noise: %w)", ErrTampered, err)
	}
	if err := c.verify(c.inviter, proof); err != nil {
		return nil, nil, nil, err
	}
	c.committed = commitment(c.nonce)
	message, out, into, err = c.hs.WriteMessage(nil, append(c.committed[:], c.prove()...))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: Noise: %w", ErrMalformed, err)
	}
	return message, out, into, nil
}

// finish reads the third message on the inviting till and returns the keys (sending, receiving).
func (c *comparison) finish(third []byte) (out, into *noise.CipherState, err error) {
	payload, into, out, err := c.hs.ReadMessage(nil, third)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (Noise: %w)", ErrTampered, err)
	}
	if len(payload) != commitLen+proofLen {
		return nil, nil, fmt.Errorf("%w: the third message holds %d bytes, not %d", ErrMalformed, len(payload), commitLen+proofLen)
	}
	copy(c.committed[:], payload)
	if err := c.verify(c.joiner, payload[commitLen:]); err != nil {
		return nil, nil, err
	}
	return out, into, nil
}

// opened checks what the new till reveals against what it committed to.
func (c *comparison) opened(joiner nonce) error {
	want := commitment(joiner)
	if subtle.ConstantTimeCompare(want[:], c.committed[:]) != 1 {
		return fmt.Errorf("%w (the new till revealed another nonce than it had committed to)", ErrTampered)
	}
	return nil
}

// digits are to be called once the handshake is finished.
func (c *comparison) digits(joiner, inviter nonce) (Digits, error) {
	return compareDigits(c.hs.ChannelBinding(), joiner, inviter)
}

// prove signs the own static key with the device key. The order of the device keys tells the two roles apart.
func (c *comparison) prove() []byte { return ed25519.Sign(c.key, c.statement(c.static)) }

func (c *comparison) verify(by ed25519.PublicKey, proof []byte) error {
	if !ed25519.Verify(by, c.statement(c.hs.PeerStatic()), proof) {
		return fmt.Errorf("%w (the key of its handshake is not signed by its device key)", ErrTampered)
	}
	return nil
}

func (c *comparison) statement(static []byte) []byte {
	b := append([]byte(infoStatic), c.joiner...)
	b = append(b, c.inviter...)
	return append(b, static...)
}

func drawn(err error) error {
	if err != nil {
		return fmt.Errorf("draw a key for the handshake: %w", err)
	}
	return nil
}
