package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// CouplingSize is the length of the random bytes that tell couplings apart.
const CouplingSize = 16

// Coupling is the item that couples the shop with a cloud: from then on tills link with it, hand it everything, and take
// what it writes. It is signed by a till.
type Coupling struct {
	PublicKey ed25519.PublicKey  // of the cloud, 32 bytes
	URL       string             // where it is reached, such as "https://cloud.example", without a slash at its end
	Account   string             // what the account there is called
	By        crdt.TillID        // the till that coupled, which signs
	ID        [CouplingSize]byte // random; the same cloud may be coupled again
	MS        int64              // Unix milliseconds
}

// Cloud returns the ID of the cloud, which is made of its key as that of a till.
func (c Coupling) Cloud() crdt.TillID { return crdt.TillIDOf(c.PublicKey) }

// ObjectID returns the object ID of the item.
func (c Coupling) ObjectID() crdt.ObjectID {
	cloud := c.Cloud()
	return crdt.DeriveObjectID(TypeCoupling, cloud[:], c.By[:], c.ID[:])
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (c Coupling) Check() error {
	if len(c.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: a public key of %d bytes", ErrInvalid, len(c.PublicKey))
	}
	if c.By.IsZero() || c.By == c.Cloud() {
		return fmt.Errorf("%w: a cloud is coupled by a till", ErrInvalid)
	}
	if c.ID == [CouplingSize]byte{} {
		return fmt.Errorf("%w: a coupling without an ID", ErrInvalid)
	}
	if strings.TrimSpace(c.Account) != c.Account || c.Account == "" {
		return fmt.Errorf("%w: account %.50q is empty or has spaces around it", ErrInvalid, c.Account)
	}
	return errors.Join(checkURL(c.URL), rules.CheckText("name of the account", c.Account, MaxAccount),
		rules.CheckMS("time of a coupling", c.MS))
}

// checkURL refuses what can be no base of addresses; whether it can be reached is not known here.
func checkURL(url string) error {
	_, host, ok := strings.Cut(url, "://")
	scheme := strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
	if !ok || !scheme || host == "" || strings.HasPrefix(host, "/") || strings.HasSuffix(host, "/") || len(url) > MaxURL ||
		strings.ContainsFunc(url, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`?#@"<>\`, c) }) {
		return fmt.Errorf("%w: address %.80q is not written like https://cloud.example", ErrInvalid, url)
	}
	return nil
}

// Sign returns the item. key is the private device key of the till By.
func (c Coupling) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(c.Check(), signer(key, c.By)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign coupling: %w", err)
	}
	var rec crdt.Record
	rec.SetString("a", c.Account)
	rec.SetTill("b", c.By)
	rec.SetBinary("i", c.ID[:])
	rec.SetBinary("k", c.PublicKey)
	rec.SetInt("t", c.MS)
	rec.SetString("u", c.URL)
	return item(TypeCoupling, c.ObjectID(), sign(TypeCoupling, shop, rec, key)), nil
}

// ParseCoupling reads an item. Only a [Roster] can say whether its signature counts.
func ParseCoupling(raw []byte) (Coupling, error) {
	c, _, err := parseCoupling(raw)
	return c, err
}

func parseCoupling(raw []byte) (Coupling, crdt.Record, error) {
	f := parseSigned(raw)
	c := Coupling{PublicKey: make(ed25519.PublicKey, ed25519.PublicKeySize), URL: f.Text("u"), Account: f.Text("a"),
		By: f.Till("b"), MS: f.Int("t")}
	if !fixed(f, "k", c.PublicKey) {
		f.Fail(fmt.Errorf("%w: no public key", ErrInvalid))
	}
	fixed(f, "i", c.ID[:])
	c, err := document.Checked(f, "coupling", c)
	return c, f.Record(), err
}

// Uncoupling is the item that ends a [Coupling] for ever, signed by any till. The same cloud may be coupled anew.
type Uncoupling struct {
	Coupling crdt.ObjectID // that ends
	By       crdt.TillID   // who says so
	MS       int64         // Unix milliseconds
	Reason   string        // for people, may be empty
}

// ObjectID returns the object ID of the item: one for each till that says it of each coupling.
func (u Uncoupling) ObjectID() crdt.ObjectID {
	return crdt.DeriveObjectID(TypeUncoupling, u.Coupling[:], u.By[:])
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (u Uncoupling) Check() error {
	if u.Coupling.IsZero() || u.By.IsZero() {
		return fmt.Errorf("%w: an uncoupling names a coupling and a till", ErrInvalid)
	}
	return errors.Join(rules.CheckText("reason", u.Reason, MaxReason), rules.CheckMS("time of an uncoupling", u.MS))
}

// Sign returns the item. key is the private device key of the till By.
func (u Uncoupling) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(u.Check(), signer(key, u.By)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign uncoupling: %w", err)
	}
	var rec crdt.Record
	rec.SetTill("b", u.By)
	rec.SetObject("c", u.Coupling)
	rec.SetString("r", u.Reason)
	rec.SetInt("t", u.MS)
	return item(TypeUncoupling, u.ObjectID(), sign(TypeUncoupling, shop, rec, key)), nil
}

// ParseUncoupling reads an item. Only a [Roster] can say whether its signature counts.
func ParseUncoupling(raw []byte) (Uncoupling, error) {
	u, _, err := parseUncoupling(raw)
	return u, err
}

func parseUncoupling(raw []byte) (Uncoupling, crdt.Record, error) {
	f := parseSigned(raw)
	u := Uncoupling{Coupling: f.Object("c"), By: f.Till("b"), MS: f.Int("t"), Reason: f.Text("r")}
	u, err := document.Checked(f, "uncoupling", u)
	return u, f.Record(), err
}
