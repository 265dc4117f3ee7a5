package pairing

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// ALPN is the TLS protocol name of connections for Accept and Join.
const ALPN = "tillmesh-pair/1"

const (
	protocolVersion byte = 1

	// Methods of proving the right to join. Append, never reuse.
	methodToken  byte = 1
	methodDigits byte = 2

	headLen      = 4       // version, method or status, length of the body (two bytes, big endian)
	maxHeadBody  = 1024    // bytes of the body after a head, in every version
	tokenIDLen   = 4       // bytes of a token's public ID
	noiseMessage = 32 + 16 // bytes of each Noise handshake message: ephemeral key, tag of the empty payload
	helloBody    = tokenIDLen + noiseMessage
)

// Statuses of the inviting till's reply. Append, never reuse.
const (
	statusGo        byte = 0 // the second Noise message follows
	statusRefused   byte = 1 // wrong, expired, unknown token: one answer for all
	statusVersion   byte = 2 // another version; the head carries the sender's
	statusMethod    byte = 3 // a method that the inviting till does not offer
	statusTooMany   byte = 4 // too many wrong attempts in the last minute
	statusMalformed byte = 5 // the body has another shape
	statusClosed    byte = 6 // six digits: the door is closed after failed requests
	statusBusy      byte = 7 // six digits: too many requests wait
)

// Domain strings: two keys of one token have nothing in common.
const (
	infoPSK  = "tillmesh pairing token v1: pre-shared key"
	infoID   = "tillmesh pairing token v1: public id"
	prologue = "tillmesh pairing\x00"
)

type tokenID [tokenIDLen]byte

// keys returns what the token stands for: the Noise pre-shared key, and the public ID that the new till sends in the open
// so that the inviting till picks the right token. The ID says nothing about the key.
func (t Token) keys() (psk [32]byte, id tokenID, err error) {
	key, err := hkdf.Key(sha256.New, t.secret[:], nil, infoPSK, len(psk))
	if err != nil {
		return psk, id, fmt.Errorf("derive the key of a token: %w", err)
	}
	public, err := hkdf.Key(sha256.New, t.secret[:], nil, infoID, sha256.Size)
	if err != nil {
		return psk, id, fmt.Errorf("derive the ID of a token: %w", err)
	}
	sum := sha256.Sum256(public)
	return [32]byte(key), tokenID(sum[:tokenIDLen]), nil
}

// newHandshake prepares Noise_NNpsk0_25519_ChaChaPoly_SHA256. The prologue holds all that both sides must see alike.
func newHandshake(
	initiator bool, psk [32]byte, id tokenID, joiner, inviter ed25519.PublicKey, random io.Reader,
) (*noise.HandshakeState, error) {
	bound := append([]byte(prologue), protocolVersion, methodToken)
	bound = append(bound, id[:]...)
	bound = append(bound, joiner...)
	bound = append(bound, inviter...)
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:  noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256),
		Random:       random,
		Pattern:      noise.HandshakeNN,
		Initiator:    initiator,
		Prologue:     bound,
		PresharedKey: psk[:],
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the Noise handshake: %w", err)
	}
	return hs, nil
}

// hello is the body of the new till's first message.
type hello struct {
	id    tokenID
	noise [noiseMessage]byte
}

func (h hello) encode() []byte {
	return append(h.id[:], h.noise[:]...)
}

func decodeHello(body []byte) (hello, error) {
	if len(body) != helloBody {
		return hello{}, fmt.Errorf("%w: the first message has %d bytes, not %d", ErrMalformed, len(body), helloBody)
	}
	var h hello
	copy(h.id[:], body)
	copy(h.noise[:], body[tokenIDLen:])
	return h, nil
}

// head starts the two messages in the open. Its four bytes and the limit of the body stay the same in every version, so
// that programs of any two versions can tell each other which they speak.
type head struct {
	version byte
	what    byte // method or status
	length  uint16
}

func (h head) encode() []byte {
	return binary.BigEndian.AppendUint16([]byte{h.version, h.what}, h.length)
}

func decodeHead(b [headLen]byte) (head, error) {
	h := head{version: b[0], what: b[1], length: binary.BigEndian.Uint16(b[2:])}
	if h.version == 0 || h.length > maxHeadBody {
		return head{}, fmt.Errorf("%w: first bytes %x are not of this protocol", ErrMalformed, b)
	}
	return h, nil
}

func writeHead(w io.Writer, what byte, body []byte) error {
	b := append(head{version: protocolVersion, what: what, length: uint16(len(body))}.encode(), body...)
	_, err := w.Write(b)
	return err
}

// readHead reads a head and its body, also of another version: what was read entirely is not cut off by a reset.
func readHead(r io.Reader) (head, []byte, error) {
	var b [headLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return head{}, nil, err
	}
	h, err := decodeHead(b)
	if err != nil {
		return head{}, nil, err
	}
	body := make([]byte, h.length)
	if _, err := io.ReadFull(r, body); err != nil {
		return head{}, nil, err
	}
	return h, body, nil
}
