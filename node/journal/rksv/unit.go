package rksv

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// Errors of a [Unit] and of the [Signer].
var (
	// ErrUnavailable means that the signature unit does not answer, or that the state cannot be saved.
	ErrUnavailable = errors.New("the signature unit is not available")
	// ErrRequest means that what was asked is a mistake; asking again changes nothing.
	ErrRequest = errors.New("the signature unit refuses the request")
)

// Unit is a signature creation unit (Signaturerstellungseinheit). It keeps no state, so asking it again does no harm. Its
// methods may be called from any goroutine.
type Unit interface {
	// Certificate returns what receipts name it by (Zert-SN): the serial number of its certificate in lower-case
	// hexadecimal, or in a closed system <company>-<key>, such as U:ATU12345678-K1.
	Certificate() string
	// Sign returns r and s, 64 bytes, over the SHA-256 of text (ES256). It gives up when its context ends. Any error
	// counts as an outage.
	Sign(ctx context.Context, text []byte) ([]byte, error)
}

// SoftwareUnit is a [Unit] without hardware. In a closed system that is allowed; in an open one it is for tests.
type SoftwareUnit struct {
	key         *ecdsa.PrivateKey
	certificate string
}

// NewSoftwareUnit returns the unit of a key on P-256. It returns [ErrRequest] for another key, or a certificate that
// cannot stand on a receipt.
func NewSoftwareUnit(key *ecdsa.PrivateKey, certificate string) (*SoftwareUnit, error) {
	if _, err := es256.Sign(key, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := checkElement("certificate", certificate); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return &SoftwareUnit{key, certificate}, nil
}

// Certificate implements [Unit].
func (u *SoftwareUnit) Certificate() string { return u.certificate }

// Public returns the key that verifies what the unit signs.
func (u *SoftwareUnit) Public() *ecdsa.PublicKey { return &u.key.PublicKey }

// Sign implements [Unit].
func (u *SoftwareUnit) Sign(ctx context.Context, text []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return es256.Sign(u.key, text)
}
