package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// Domains that keep our hashes and signatures from meaning anything elsewhere.
const (
	signatureDomain = "tillmesh receipt document\x00"
	firstDomain     = "tillmesh receipt series\x00"
)

// ErrSign means that a document cannot be signed with this key.
var ErrSign = errors.New("cannot sign the receipt document")

// Signed is a document with the signature of the till that issued it. All three are stored verbatim.
type Signed struct {
	Document  []byte            // canonical bytes
	Signature []byte            // 64 bytes: Ed25519 over the SHA-256 of the domain and Document
	Key       ed25519.PublicKey // 32 bytes: the device key; its SHA-256 is the till ID
}

// Header is the part of a document that a chain is made of. It stays readable in every version.
type Header struct {
	Version  int64
	Kind     string
	Shop     crdt.ShopID
	Till     crdt.TillID
	Series   string // 1 to MaxSeries letters, digits and dots
	Number   int64  // at least 1; 0 for an opening
	Previous Digest
	Closed   string
}

// ParseHeader reads the header of a document of any version. The bytes must be canonical JSON. It returns
// [ErrCanonical] or [ErrDocument].
func ParseHeader(b []byte) (Header, error) {
	v, err := ParseCanonical(b)
	if err != nil {
		return Header{}, err
	}
	return headerOf(v)
}

func headerOf(v Value) (Header, error) {
	var h Header
	dec := decoder{value: v}
	h.fields(&dec)
	if dec.err == nil && (h.Number < 0 || (h.Number == 0) != (h.Kind == KindOpening) || h.Version < 1 || !validSeries(h.Series)) {
		dec.err = fmt.Errorf("%w: series %q, number %d, version %d", ErrDocument, clip(h.Series), h.Number, h.Version)
	}
	if dec.err != nil {
		return Header{}, dec.err
	}
	return h, nil
}

func (h *Header) fields(v visitor) {
	var rest, shopRest, tillRest Object
	v.open(&rest)
	text(v, "closed", &h.Closed, required)
	text(v, "kind", &h.Kind, required)
	number(v, "number", &h.Number, required)
	id(v, "previous_hash", &h.Previous, ParseDigest, required)
	text(v, "series", &h.Series, required)
	if v.field("shop", true, required) {
		v.open(&shopRest)
		id(v, "id", &h.Shop, crdt.ParseShopID, required)
		v.close()
	}
	if v.field("till", true, required) {
		v.open(&tillRest)
		id(v, "id", &h.Till, crdt.ParseTillID, required)
		v.close()
	}
	number(v, "version", &h.Version, required)
	v.close()
}

// First returns what the first document of a series carries as previous hash: number 1, or the opening if there is one.
func First(shop crdt.ShopID, till crdt.TillID, series string) Digest {
	b := append([]byte(firstDomain), shop[:]...)
	b = append(b, till[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(series)))
	return sha256.Sum256(append(b, series...))
}

// Sign signs the canonical bytes of a document with the till's device key. The result shares document. It returns
// [ErrSign] if the key is not usable or is not that of the till the document names, and the errors of [ParseHeader].
func Sign(key ed25519.PrivateKey, document []byte) (Signed, error) {
	if len(key) != ed25519.PrivateKeySize {
		return Signed{}, fmt.Errorf("%w: the key has %d bytes, want %d", ErrSign, len(key), ed25519.PrivateKeySize)
	}
	h, err := ParseHeader(document)
	if err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrSign, err)
	}
	public := ed25519.PublicKey(append([]byte(nil), key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]...))
	if till := crdt.TillIDOf(public); till != h.Till {
		return Signed{}, fmt.Errorf("%w: %s is of till %s, the key is of till %s", ErrSign,
			NumberText(clip(h.Series), h.Number), h.Till.Short(), till.Short())
	}
	digest := signedDigest(document)
	return Signed{Document: document, Signature: ed25519.Sign(key, digest[:]), Key: public}, nil
}

// SignatureValid reports whether the signature is that of the key over the document. It says nothing about whose key
// it is.
func (s Signed) SignatureValid() bool {
	if len(s.Key) != ed25519.PublicKeySize {
		return false
	}
	digest := signedDigest(s.Document)
	return ed25519.Verify(s.Key, digest[:], s.Signature)
}

func signedDigest(document []byte) Digest {
	h := sha256.New()
	h.Write([]byte(signatureDomain))
	h.Write(document)
	return Digest(h.Sum(nil))
}
