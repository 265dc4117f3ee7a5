package pairing

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const (
	nonceLen = 32 // bytes of the nonce of either side

	infoCommitment = "tillmesh pairing six digits v1: commitment\x00"
	infoDigits     = "tillmesh pairing six digits v1: digits"
)

// Digits are six decimal digits that both screens show, 0 to 999999. They are no secret.
type Digits uint32

// String returns the form for a screen, such as "048 213".
func (d Digits) String() string { return fmt.Sprintf("%03d %03d", d/1000, d%1000) }

type nonce [nonceLen]byte

// commitment binds the new till to its nonce before it sees the one of the other side.
func commitment(n nonce) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(infoCommitment), n[:]...))
}

// compareDigits derives the digits from the finished handshake and both nonces. PROTOCOL.md says why nobody in between can
// choose them.
func compareDigits(handshakeHash []byte, joiner, inviter nonce) (Digits, error) {
	both := append(joiner[:], inviter[:]...)
	b, err := hkdf.Key(sha256.New, both, handshakeHash, infoDigits, 8)
	if err != nil {
		return 0, fmt.Errorf("derive the digits: %w", err)
	}
	return Digits(binary.BigEndian.Uint64(b) % 1_000_000), nil // a bias of less than 1 in 10^13
}
