package pairing

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	secretLen  = 16                                 // bytes: 128 bits
	secretText = 26                                 // characters: 130 bits, the last two are zero
	sumText    = 2                                  // characters: 10 bits
	tokenText  = secretText + sumText               // characters without dashes
	tokenGroup = 4                                  // characters between dashes
	tokenChars = "0123456789abcdefghjkmnpqrstvwxyz" // no i, l, o, u: they are read as 1, 1, 0 and a typing error
)

var tokenEncoding = base32.NewEncoding(tokenChars).WithPadding(base32.NoPadding)

// Token is the secret that a person carries from the inviting till to the new one. It carries no address. The zero
// Token is refused everywhere.
//
// Printing a Token with fmt or slog shows only its public ID, so that a log line does not give the shop away; [Token.Text]
// is the secret itself.
type Token struct {
	secret [secretLen]byte
}

// NewToken draws a token from random, which must be cryptographically secure outside tests.
func NewToken(random io.Reader) (Token, error) {
	var t Token
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return Token{}, fmt.Errorf("draw a token: %w", err)
	}
	if t.isZero() {
		return Token{}, fmt.Errorf("draw a token: the random source gives zeros: repair it before inviting anyone")
	}
	return t, nil
}

// Text returns the form that people type: 28 characters in seven groups of four, lower case, such as
// "7z3k-…-p0qe". The last two characters are a checksum over the others.
func (t Token) Text() string {
	chars := tokenEncoding.EncodeToString(t.secret[:])
	sum := checksum(chars)
	chars += string([]byte{tokenChars[sum>>5], tokenChars[sum&31]})
	var b strings.Builder
	for i := 0; i < len(chars); i += tokenGroup {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(chars[i : i+tokenGroup])
	}
	return b.String()
}

// String names the token without revealing it.
func (t Token) String() string {
	_, id, err := t.keys()
	if err != nil {
		return "token(" + err.Error() + ")"
	}
	return fmt.Sprintf("token(%x)", id)
}

// GoString is String: %#v shall not reveal the secret either.
func (t Token) GoString() string { return t.String() }

func (t Token) isZero() bool { return t == Token{} }

// ParseToken reads what a person typed: capitals, spaces and dashes anywhere do not matter, o is read as 0, i and l as 1.
// Its error is [ErrTyping] and never contains the text. Any one wrong character and any two neighbours swapped are found
// for certain, other errors with 1023 in 1024.
func ParseToken(s string) (Token, error) {
	if len(s) > 256 {
		return Token{}, fmt.Errorf("%w (far too long)", ErrTyping)
	}
	chars := make([]byte, 0, tokenText)
	for _, r := range s {
		switch r = unicode.ToLower(r); {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			continue
		case r == 'o':
			r = '0'
		case r == 'i' || r == 'l':
			r = '1'
		case r > unicode.MaxASCII || strings.IndexByte(tokenChars, byte(r)) < 0:
			return Token{}, fmt.Errorf("%w (%q is in no token)", ErrTyping, r)
		}
		chars = append(chars, byte(r))
	}
	if len(chars) != tokenText {
		return Token{}, fmt.Errorf("%w (%d characters, a token has %d)", ErrTyping, len(chars), tokenText)
	}
	secret, check := string(chars[:secretText]), chars[secretText:]
	sum := uint16(strings.IndexByte(tokenChars, check[0]))<<5 | uint16(strings.IndexByte(tokenChars, check[1]))
	b, err := tokenEncoding.DecodeString(secret)
	if err != nil || sum != checksum(secret) || tokenEncoding.EncodeToString(b) != secret {
		return Token{}, fmt.Errorf("%w (the last two characters do not fit the others)", ErrTyping)
	}
	t := Token{secret: [secretLen]byte(b)}
	if t.isZero() {
		return Token{}, fmt.Errorf("%w (all zero)", ErrTyping)
	}
	return t, nil
}

// checksum is the CRC-10 with polynomial x^10+x^9+x^5+x^4+x+1 and initial value 0x3ff over the five bits of each
// character. A CRC of ten bits finds every burst of up to ten bits, which is every error within two neighbouring characters.
func checksum(chars string) uint16 {
	const polynomial = 0x233
	sum := uint16(0x3ff)
	for i := range len(chars) {
		sum ^= uint16(strings.IndexByte(tokenChars, chars[i])) << 5
		for range 5 {
			if sum <<= 1; sum&0x400 != 0 {
				sum ^= 0x400 | polynomial
			}
		}
	}
	return sum
}
