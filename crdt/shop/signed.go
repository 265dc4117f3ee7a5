package shop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// NonceSize is the length of the random bytes in a founder's admission.
const NonceSize = 16

// IDOf returns the ID of the shop that the till with this public device key founds with 16 random bytes. The ID
// commits to the founder: no other key fits it.
func IDOf(founder ed25519.PublicKey, nonce [NonceSize]byte) crdt.ShopID {
	b := append([]byte("tillmesh shop"), founder...)
	sum := sha256.Sum256(append(b, nonce[:]...))
	return crdt.ShopID(sum[:16])
}

// signatureField holds the Ed25519 signature over [message].
const signatureField = "s"

// message returns what is signed: the type of the item, the shop, and the record without its signature, with fields
// that only a newer program knows. The zero byte ends the type, so no item can pass as one of another type.
func message(typ string, shop crdt.ShopID, rec crdt.Record) []byte {
	rec.SetRaw(signatureField, nil)
	b := append([]byte("tillmesh item 1 "), typ...)
	b = append(append(b, 0), shop[:]...)
	return append(b, rec.Bytes()...)
}

// sign adds the signature and returns the bytes of the item.
func sign(typ string, shop crdt.ShopID, rec crdt.Record, key ed25519.PrivateKey) []byte {
	rec.SetBinary(signatureField, ed25519.Sign(key, message(typ, shop, rec)))
	return rec.Bytes()
}

// verify returns [ErrSignature] unless the key signed this record for this shop.
func verify(typ string, shop crdt.ShopID, rec crdt.Record, key ed25519.PublicKey) error {
	signature, err := rec.Binary(signatureField)
	if err != nil {
		return err
	}
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(key, message(typ, shop, rec), signature) {
		return fmt.Errorf("%w: %s by %s", ErrSignature, typ, crdt.TillIDOf(key).Short())
	}
	return nil
}

// parseSigned reads the record of a signed item. Only the one spelling that the signer wrote is taken, so nobody can
// make a second item of the same content with other bytes.
func parseSigned(raw []byte) *document.Fields {
	f := rules.Parse(raw)
	if rec := f.Record(); f.Err() == nil && !bytes.Equal(rec.Bytes(), raw) {
		f.Fail(fmt.Errorf("%w: a signed record that is not in its shortest form, sorted by key", codec.ErrMalformed))
	}
	return f
}

// fixed reads bytes of exactly this length and reports whether the field is there.
func fixed(f *document.Fields, key string, into []byte) bool {
	b := f.Binary(key)
	if b == nil {
		return false
	}
	if len(b) != len(into) {
		f.Fail(fmt.Errorf("record field %q: %w: %d bytes, want %d", key, codec.ErrMalformed, len(b), len(into)))
		return false
	}
	copy(into, b)
	return true
}

// signer checks that a private key is the one of the till that is to sign.
func signer(key ed25519.PrivateKey, till crdt.TillID) error {
	if len(key) != ed25519.PrivateKeySize {
		return fmt.Errorf("%w: a device key of %d bytes", ErrInvalid, len(key))
	}
	if public := key.Public().(ed25519.PublicKey); crdt.TillIDOf(public) != till {
		return fmt.Errorf("%w: till %s is to sign, the key is of till %s", ErrSignature, till.Short(),
			crdt.TillIDOf(public).Short())
	}
	return nil
}

func item(typ string, id crdt.ObjectID, raw []byte) crdt.Piece {
	return crdt.Piece{Kind: crdt.KindItem, Type: typ, Object: id, Raw: raw}
}
