// Package es256 makes and checks plain ECDSA signatures: P-256 with SHA-256, r and s of 32 bytes each. JSON Web
// Signatures call them ES256, German security devices ecdsa-plain-SHA256.
package es256

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Size is the length of a signature in bytes.
const Size = 64

// ErrKey means that a key is not one on P-256.
var ErrKey = errors.New("not a key on P-256")

// NewKey draws a key from a cryptographically secure source. Its bytes are those of [ecdsa.PrivateKey.Bytes], and
// [ecdsa.ParseRawPrivateKey] reads them.
func NewKey(random io.Reader) (*ecdsa.PrivateKey, error) {
	var b [32]byte
	for range 100 { // one draw in 2^32 is no key
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("draw a key: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b[:]); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("draw a key: the source of randomness is broken")
}

// Sign signs text. It draws no chance: the nonce comes from key and text (RFC 6979), so a run can be repeated. It
// returns [ErrKey] if the key is of another kind.
func Sign(key *ecdsa.PrivateKey, text []byte) ([]byte, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return nil, ErrKey
	}
	digest := sha256.Sum256(text)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	raw := make([]byte, Size)
	rs.R.FillBytes(raw[:Size/2])
	rs.S.FillBytes(raw[Size/2:])
	return raw, nil
}

// Verify reports whether signature is that of the key over text.
func Verify(key *ecdsa.PublicKey, text, signature []byte) bool {
	if key == nil || key.Curve != elliptic.P256() || len(signature) != Size {
		return false
	}
	digest := sha256.Sum256(text)
	r, s := new(big.Int).SetBytes(signature[:Size/2]), new(big.Int).SetBytes(signature[Size/2:])
	return ecdsa.Verify(key, digest[:], r, s)
}
