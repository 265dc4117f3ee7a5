package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Departure is the item by which a till leaves the shop, signed by any till of the roster: a retirement of a till that
// is no longer used, or a revocation of one that is lost. Both are final; the device comes back with a new key.
type Departure struct {
	Revoked bool        // else retired
	Till    crdt.TillID // who leaves
	By      crdt.TillID // who says so; a till may say it of itself
	MS      int64       // Unix milliseconds
	Reason  string      // for people, may be empty
}

func (d Departure) typ() string {
	if d.Revoked {
		return TypeRevocation
	}
	return TypeRetirement
}

// ObjectID returns the object ID of the item: one for each till that says it of each till.
func (d Departure) ObjectID() crdt.ObjectID { return crdt.DeriveObjectID(d.typ(), d.Till[:], d.By[:]) }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (d Departure) Check() error {
	if d.Till.IsZero() || d.By.IsZero() {
		return fmt.Errorf("%w: a %s names two tills", ErrInvalid, d.typ())
	}
	return errors.Join(rules.CheckText("reason", d.Reason, MaxReason), rules.CheckMS("time", d.MS))
}

// Sign returns the item. key is the private device key of the till By.
func (d Departure) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(d.Check(), signer(key, d.By)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign %s: %w", d.typ(), err)
	}
	var rec crdt.Record
	rec.SetTill("b", d.By)
	rec.SetTill("d", d.Till)
	rec.SetString("r", d.Reason)
	rec.SetInt("t", d.MS)
	return item(d.typ(), d.ObjectID(), sign(d.typ(), shop, rec, key)), nil
}

// ParseDeparture reads an item of [TypeRevocation] if revoked is true, else of [TypeRetirement]. Only a [Roster] can say
// whether its signature counts.
func ParseDeparture(revoked bool, raw []byte) (Departure, error) {
	d, _, err := parseDeparture(revoked, raw)
	return d, err
}

func parseDeparture(revoked bool, raw []byte) (Departure, crdt.Record, error) {
	f := parseSigned(raw)
	d := Departure{Revoked: revoked, Till: f.Till("d"), By: f.Till("b"), MS: f.Int("t"), Reason: f.Text("r")}
	d, err := document.Checked(f, d.typ(), d)
	return d, f.Record(), err
}
