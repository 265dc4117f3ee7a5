package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Recovery is the item that makes a recovery key known: the founder secret. Its private half admits a till alone, when
// no other till is left that could; see [Admission]. It is signed by the founder, lies in the founder's data directory and in
// backups, and never travels between tills.
type Recovery struct {
	PublicKey ed25519.PublicKey // 32 bytes
	By        crdt.TillID       // the founder
	MS        int64             // Unix milliseconds
}

// ID names the key where an admission names the admitting till.
func (r Recovery) ID() crdt.TillID { return crdt.TillIDOf(r.PublicKey) }

// ObjectID returns the object ID of the item.
func (r Recovery) ObjectID() crdt.ObjectID { return crdt.DeriveObjectID(TypeRecovery, r.PublicKey) }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (r Recovery) Check() error {
	if len(r.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: a recovery key of %d bytes", ErrInvalid, len(r.PublicKey))
	}
	if r.By.IsZero() || r.By == r.ID() {
		return fmt.Errorf("%w: a recovery key is a key of its own, made known by the founder", ErrInvalid)
	}
	return rules.CheckMS("time of a recovery key", r.MS)
}

// Sign returns the item. key is the private device key of the founder.
func (r Recovery) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(r.Check(), signer(key, r.By)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign recovery key: %w", err)
	}
	var rec crdt.Record
	rec.SetTill("b", r.By)
	rec.SetBinary("k", r.PublicKey)
	rec.SetInt("t", r.MS)
	return item(TypeRecovery, r.ObjectID(), sign(TypeRecovery, shop, rec, key)), nil
}

// ParseRecovery reads an item. Only a [Roster] can say whether its signature counts.
func ParseRecovery(raw []byte) (Recovery, error) {
	r, _, err := parseRecovery(raw)
	return r, err
}

func parseRecovery(raw []byte) (Recovery, crdt.Record, error) {
	f := parseSigned(raw)
	r := Recovery{PublicKey: make(ed25519.PublicKey, ed25519.PublicKeySize), By: f.Till("b"), MS: f.Int("t")}
	if !fixed(f, "k", r.PublicKey) {
		f.Fail(fmt.Errorf("%w: no recovery key", ErrInvalid))
	}
	r, err := document.Checked(f, "recovery key", r)
	return r, f.Record(), err
}
