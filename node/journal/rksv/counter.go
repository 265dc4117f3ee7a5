package rksv

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
)

// Lengths of the turnover counter in bytes. A till keeps the one it began with.
const (
	MinCounterBytes     = 5
	MaxCounterBytes     = 16
	DefaultCounterBytes = 8
)

// AESKey encrypts the turnover counter. Tills of one business may share it.
type AESKey [32]byte

// NewAESKey draws a key from a cryptographically secure source.
func NewAESKey(random io.Reader) (k AESKey, err error) {
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return AESKey{}, fmt.Errorf("draw a key: %w", err)
	}
	return k, nil
}

// ParseAESKey reads the base64 form of a key. It returns [ErrFormat].
func ParseAESKey(s string) (k AESKey, err error) {
	b, err := decode64(base64.StdEncoding, s)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("%w: an AES key has 32 bytes in base64", ErrFormat)
	}
	return AESKey(b), nil
}

// Base64 returns the form in which authorities and tools want the key. It is a secret.
func (k AESKey) Base64() string { return base64.StdEncoding.EncodeToString(k[:]) }

// String hides the key.
func (k AESKey) String() string { return "AES key with check value " + k.CheckValue() }

// CheckValue returns the four characters that are entered at FinanzOnline beside the key, so that a typing mistake shows.
func (k AESKey) CheckValue() string {
	sum := sha256.Sum256([]byte(k.Base64()))
	return base64.RawStdEncoding.EncodeToString(sum[:3])
}

// mask returns the key stream of a receipt: AES-256 in counter mode, whose first block begins at the hash of cash box and
// number. A counter is never longer than that block.
func (k AESKey) mask(cashBox, number string) [aes.BlockSize]byte {
	iv := sha256.Sum256([]byte(cashBox + number))
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	var mask [aes.BlockSize]byte
	block.Encrypt(mask[:], iv[:aes.BlockSize])
	return mask
}

// encrypt returns the counter as it stands in a payload. It returns [ErrRequest] if it needs more bytes.
func (k AESKey) encrypt(cashBox, number string, counter int64, length int) (string, error) {
	if length < 8 && (counter >= 1<<(8*length-1) || counter < -(1<<(8*length-1))) {
		return "", fmt.Errorf("%w: a turnover of %d cents does not fit into a counter of %d bytes", ErrRequest, counter, length)
	}
	plain := expand(counter)
	mask := k.mask(cashBox, number)
	b := plain[len(plain)-length:]
	for i := range b {
		b[i] ^= mask[i]
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// decrypt returns the counter, and false if no till has had such a turnover: then the key is another one, or the number.
func (k AESKey) decrypt(cashBox, number string, encrypted []byte) (int64, bool) {
	mask := k.mask(cashBox, number)
	plain := make([]byte, len(encrypted))
	for i := range plain {
		plain[i] = encrypted[i] ^ mask[i]
	}
	var wide [MaxCounterBytes]byte
	if plain[0] >= 0x80 {
		wide = expand(-1)
	}
	copy(wide[len(wide)-len(plain):], plain)
	counter := int64(binary.BigEndian.Uint64(wide[8:]))
	return counter, expand(counter) == wide
}

// expand writes the two's complement of a counter, big endian, in the longest form.
func expand(counter int64) (wide [MaxCounterBytes]byte) {
	binary.BigEndian.PutUint64(wide[:8], uint64(counter>>63))
	binary.BigEndian.PutUint64(wide[8:], uint64(counter))
	return wide
}
