package rksv

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// OutageText stands in place of the signature while the signature unit fails. The receipt shows it in clear, too.
const OutageText = "Sicherheitseinrichtung ausgefallen"

// header is the JSON Web Signature header {"alg":"ES256"}, the only one there is.
const header = "eyJhbGciOiJFUzI1NiJ9"

// maxJWS is how many bytes a receipt may have in JWS form; payloads within the limits of their elements have less.
const maxJWS = 4096

// chainBytes is how many bytes of a hash link a receipt to the one before.
const chainBytes = 8

// JWS is a receipt as it stands in the log: payload and signature.
type JWS struct {
	Text      string // compact form, verbatim
	Payload   Payload
	Signature []byte // r and s, 64 bytes; nil in an outage
}

// Outage reports whether the receipt is not signed, because the signature unit failed.
func (j JWS) Outage() bool { return j.Signature == nil }

// ParseJWS reads the compact form. It does not verify the signature and does not look into the amounts; there is one
// spelling of each receipt. It returns [ErrFormat].
func ParseJWS(text string) (JWS, error) {
	if len(text) > maxJWS {
		return JWS{}, fmt.Errorf("%w: a receipt of %d bytes, at most %d", ErrFormat, len(text), maxJWS)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[0] != header {
		return JWS{}, fmt.Errorf("%w: not a JSON Web Signature with ES256 in three parts", ErrFormat)
	}
	payload, err := decode64(base64.RawURLEncoding, parts[1])
	if err != nil {
		return JWS{}, err
	}
	signature, err := decode64(base64.RawURLEncoding, parts[2])
	if err != nil {
		return JWS{}, err
	}
	j := JWS{Text: text, Signature: signature}
	if string(signature) == OutageText {
		j.Signature = nil
	} else if len(signature) != es256.Size {
		return JWS{}, fmt.Errorf("%w: a signature of %d bytes, %d or the words %q", ErrFormat, len(signature), es256.Size, OutageText)
	}
	j.Payload, err = ParsePayload(string(payload))
	return j, err
}

// signingInput returns what the unit signs of a payload.
func signingInput(p Payload) string {
	return header + "." + base64.RawURLEncoding.EncodeToString([]byte(p.String()))
}

// newJWS joins a payload and its signature, nil in an outage.
func newJWS(p Payload, signature []byte) JWS {
	third := signature
	if third == nil {
		third = []byte(OutageText)
	}
	return JWS{Text: signingInput(p) + "." + base64.RawURLEncoding.EncodeToString(third), Payload: p, Signature: signature}
}

// signatureBytes returns what stands in place of the signature.
func (j JWS) signatureBytes() []byte {
	if j.Outage() {
		return []byte(OutageText)
	}
	return j.Signature
}

// QR returns the text of the machine-readable code.
func (j JWS) QR() string {
	return j.Payload.String() + "_" + base64.StdEncoding.EncodeToString(j.signatureBytes())
}

// OCR returns the machine-readable code for text recognition: what is base64 in the QR code is base32. It returns
// [ErrFormat] if the receipt was not made or parsed here.
func (j JWS) OCR() (string, error) {
	p := j.Payload
	for _, element := range []*string{&p.Counter, &p.Previous} {
		b, err := decode64(base64.StdEncoding, *element)
		if err != nil {
			return "", err
		}
		*element = base32.StdEncoding.EncodeToString(b)
	}
	return p.String() + "_" + base32.StdEncoding.EncodeToString(j.signatureBytes()), nil
}

// chainValue returns what links a receipt to the one before, given that one in JWS form, or the cash box for the first.
func chainValue(before string) string {
	sum := sha256.Sum256([]byte(before))
	return base64.StdEncoding.EncodeToString(sum[:chainBytes])
}
