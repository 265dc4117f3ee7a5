package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// FounderPrefix is the number prefix of the till that founds a shop.
const FounderPrefix = "K1"

// Admission is the item that takes a till into the shop, signed by the admitting till, or by the founder for itself.
type Admission struct {
	PublicKey ed25519.PublicKey // device key of the till, 32 bytes
	Name      string            // at admission; the till's register "name" holds the one to show
	Prefix    string            // of its receipt numbers, such as "K2"; its Kassen-ID in exports
	By        crdt.TillID       // the admitting till; the founder's own ID for the founder
	MS        int64             // Unix milliseconds
	Founder   bool
	Nonce     [NonceSize]byte // founder only; with the key it gives the shop's ID
	Replaces  crdt.TillID     // the till that this one takes the place of (a restore), zero if none
}

// Found returns the admission of the founder and the ID of the new shop. nonce are 16 random bytes.
func Found(key ed25519.PublicKey, nonce [NonceSize]byte, name string, unixMS int64) (Admission, crdt.ShopID) {
	return Admission{
		PublicKey: key, Name: name, Prefix: FounderPrefix, By: crdt.TillIDOf(key), MS: unixMS, Founder: true, Nonce: nonce,
	}, IDOf(key, nonce)
}

// Till returns the ID of the admitted till.
func (a Admission) Till() crdt.TillID { return crdt.TillIDOf(a.PublicKey) }

// AdmissionID returns the object ID of a till's admission. Two tills that admit the same till apart write two copies of
// this item with different bytes; a [Roster] takes both and shows the earlier.
func AdmissionID(till crdt.TillID) crdt.ObjectID { return crdt.DeriveObjectID(TypeAdmission, till[:]) }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (a Admission) Check() error {
	if len(a.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: a public key of %d bytes", ErrInvalid, len(a.PublicKey))
	}
	if strings.TrimSpace(a.Name) == "" {
		return fmt.Errorf("%w: a till needs a name", ErrInvalid)
	}
	if a.Founder && (a.Prefix != FounderPrefix || a.By != a.Till()) {
		return fmt.Errorf("%w: a founder has prefix %s and admits itself", ErrInvalid, FounderPrefix)
	}
	if !a.Founder && (a.By.IsZero() || a.By == a.Till()) {
		return fmt.Errorf("%w: a till is admitted by another one", ErrInvalid)
	}
	return errors.Join(rules.CheckText("name of the till", a.Name, MaxNameRunes), CheckPrefix(a.Prefix),
		rules.CheckMS("time of admission", a.MS))
}

// Sign returns the item that admits the till. key is the private device key of the till By.
func (a Admission) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	err := errors.Join(a.Check(), signer(key, a.By))
	if err == nil && a.Founder && IDOf(a.PublicKey, a.Nonce) != shop {
		err = fmt.Errorf("%w: the founder's key and nonce do not give the shop ID %v", ErrInvalid, shop)
	}
	if err != nil {
		return crdt.Piece{}, fmt.Errorf("sign admission: %w", err)
	}
	var rec crdt.Record
	rec.SetBinary("k", a.PublicKey)
	rec.SetString("n", a.Name)
	rec.SetString("p", a.Prefix)
	rec.SetInt("t", a.MS)
	rec.SetTill("r", a.Replaces)
	if a.Founder {
		rec.SetBinary("f", a.Nonce[:])
	} else {
		rec.SetTill("b", a.By)
	}
	return item(TypeAdmission, AdmissionID(a.Till()), sign(TypeAdmission, shop, rec, key)), nil
}

// ParseAdmission reads an item. Only a [Roster] can say whether its signature counts.
func ParseAdmission(raw []byte) (Admission, error) {
	a, _, err := parseAdmission(raw)
	return a, err
}

func parseAdmission(raw []byte) (Admission, crdt.Record, error) {
	f := parseSigned(raw)
	a := Admission{
		PublicKey: make(ed25519.PublicKey, ed25519.PublicKeySize),
		Name:      f.Text("n"), Prefix: f.Text("p"), By: f.Till("b"), MS: f.Int("t"), Replaces: f.Till("r"),
	}
	if !fixed(f, "k", a.PublicKey) {
		f.Fail(fmt.Errorf("%w: no public key", ErrInvalid))
	}
	if a.Founder = fixed(f, "f", a.Nonce[:]); a.Founder && a.By.IsZero() {
		a.By = a.Till()
	}
	a, err := document.Checked(f, "admission", a)
	return a, f.Record(), err
}
