// Package coupling is what a till and the cloud agree on when a shop is coupled with an account: the text that the till
// signs, the code that people type, and what the account may read and write from then on. It is pure, and both sides use
// it.
//
//	till -> cloud   prepare: session or code, shop, till
//	cloud -> till   account, nonce, terms: the till shows them, somebody confirms
//	till -> cloud   couple: nonce, host, the shop's admissions, signature of the device key over [Claim.Text]
//
// # What the signature says
//
// The text names everything the till means, so that it counts nowhere else: the nonce for one time, the cloud's ID and
// the host that was dialled for one installation (whoever stands between has another host), account, shop, till and its
// name. testdata/text.golden pins the bytes; another layout gets another first line.
package coupling

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// NonceSize is the length of the cloud's random bytes.
	NonceSize = 32
	// MaxName bounds the name of a till or shop, in bytes.
	MaxName = 800
	maxHost = 300

	heading = "tillmesh coupling 1\n"
)

// ErrProof says that a signature does not fit its claim.
var ErrProof = errors.New("the till's signature does not fit")

// Claim is what a till says of itself when it asks to be coupled.
type Claim struct {
	Nonce   [NonceSize]byte
	Cloud   crdt.TillID   // ID of the cloud's key, as the cloud gave it
	Host    string        // host that the till dialled, lower case, without a port
	Account crdt.ObjectID // as the cloud gave it and somebody confirmed it
	Shop    crdt.ShopID
	Till    crdt.TillID
	Name    string // of the till
}

// Text returns the bytes that are signed: the heading, then each member with its length (2 bytes, big endian) before it.
func (c Claim) Text() ([]byte, error) {
	if len(c.Host) > maxHost || len(c.Name) > MaxName || !utf8.ValidString(c.Host) || !utf8.ValidString(c.Name) {
		return nil, fmt.Errorf("a host of at most %d and a name of at most %d bytes are signed", maxHost, MaxName)
	}
	var b bytes.Buffer
	b.WriteString(heading)
	for _, part := range [][]byte{c.Nonce[:], c.Cloud[:], []byte(c.Host), c.Account[:], c.Shop[:], c.Till[:], []byte(c.Name)} {
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(part))))
		b.Write(part)
	}
	return b.Bytes(), nil
}

// Sign signs the claim with the device key of its till.
func (c Claim) Sign(key ed25519.PrivateKey) ([]byte, error) {
	text, err := c.Text()
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, text), nil
}

// Verify returns [ErrProof] unless the key is the till's and signed this claim.
func (c Claim) Verify(key ed25519.PublicKey, signature []byte) error {
	text, err := c.Text()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(key) != ed25519.PublicKeySize || crdt.TillIDOf(key) != c.Till || !ed25519.Verify(key, text, signature) {
		return ErrProof
	}
	return nil
}

// CodeLength is the number of characters of a code.
const CodeLength = 8

// codeLetters are 32 characters of which no two look alike: no I, L, O and U.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewCode makes a code of 40 random bits.
func NewCode(random [5]byte) string {
	n := uint64(0)
	for _, b := range random {
		n = n<<8 | uint64(b)
	}
	out := make([]byte, CodeLength)
	for i := CodeLength - 1; i >= 0; i-- {
		out[i] = codeLetters[n&31]
		n >>= 5
	}
	return string(out)
}

// ShowCode writes a code in two groups, as people read it.
func ShowCode(code string) string {
	if len(code) != CodeLength {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// ParseCode reads what somebody typed: letters of either case, with spaces or hyphens, and with O for 0 and I or L for 1.
func ParseCode(s string) (code string, ok bool) {
	if len(s) > 64 {
		return "", false
	}
	var out strings.Builder
	for _, r := range strings.ToUpper(s) {
		switch r {
		case ' ', '-', '\t':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(codeLetters, r) {
			return "", false
		}
		out.WriteRune(r)
	}
	return out.String(), out.Len() == CodeLength
}
