package tse

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// Notice is what the software signer says of itself, to be printed on every receipt.
const Notice = "KEINE ZERTIFIZIERTE TSE"

// Algorithm is what the software signer signs with: ECDSA on P-256, r and s of 32 bytes each.
const Algorithm = "ecdsa-plain-SHA256"

const signedDomain = "tillmesh software TSE 1 " + Notice + "\n"

// ErrSignature means that a signature is not that of the software signer over the record.
var ErrSignature = errors.New("the signature of the security device does not hold")

// canonical returns the text that the software signer signs; see the package comment.
func canonical(r Record) []byte {
	b := []byte(signedDomain)
	for _, field := range []string{r.Client, decimal(r.Transaction), r.Process.Type, r.Process.Data, r.End, decimal(r.Counter)} {
		b = strconv.AppendInt(b, int64(len(field)), 10)
		b = append(b, ':')
		b = append(b, field...)
		b = append(b, '\n')
	}
	return b
}

// Verify reports whether the signature of a record was made by the software signer with the key it names, and the serial
// number is that of the key. It says nothing about whose key it is, and nothing about a hardware device, whose signed
// bytes are others. It returns [ErrSignature].
func Verify(r Record) error {
	der, err := base64.StdEncoding.Strict().DecodeString(r.PublicKey)
	if err != nil {
		return fmt.Errorf("%w: the public key is not base64", ErrSignature)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || r.Algorithm != Algorithm {
		return fmt.Errorf("%w: algorithm %.30q with this key", ErrSignature, r.Algorithm)
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(r.Signature)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != r.Signature {
		return fmt.Errorf("%w: it is not base64", ErrSignature)
	}
	if !es256.Verify(key, canonical(r), signature) {
		return fmt.Errorf("%w: transaction %d of %.60q", ErrSignature, r.Transaction, r.Client)
	}
	if r.Serial != serialOf(r.PublicKey) {
		return fmt.Errorf("%w: the serial number is not that of the key", ErrSignature)
	}
	return nil
}

// serialOf returns the serial number that belongs to a public key in base64, empty if it is not base64.
func serialOf(publicKey string) string {
	der, err := base64.StdEncoding.DecodeString(publicKey)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func parseDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || decimal(n) != s {
		return 0, fmt.Errorf("%w: %.30q is not a number", ErrRecord, s)
	}
	return n, nil
}
