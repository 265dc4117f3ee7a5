package receipt

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// MaxCopies is the most tills a shop may want a receipt to be on before it is printed.
const MaxCopies = 50

// Release is the item that says that a person let a receipt be printed although it was on fewer tills than the shop
// wants. It changes nothing about the receipt.
type Release struct {
	Receipt crdt.ObjectID
	Till    crdt.TillID // that closed it and let it go
	User    string      // who said so
	Reason  string      // may be empty
	MS      int64       // Unix milliseconds, business time of that till
	Copies  int64       // on how many tills it was known to be then, that one included
	Wanted  int64       // on how many the shop wanted it to be
}

// ReleaseID returns the object ID of the release of a receipt: there is one at most.
func ReleaseID(receipt crdt.ObjectID) crdt.ObjectID {
	return crdt.DeriveObjectID(TypeRelease, receipt[:])
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (r Release) Check() error {
	return errors.Join(checkTexts("reason", r.Reason, "user", r.User), checkMS(r.MS), checkNamed("receipt", r.Receipt.IsZero()),
		checkNamed("till", r.Till.IsZero()), checkNamed("user", r.User == ""),
		rules.CheckRange("number of copies", r.Copies, 0, MaxCopies), rules.CheckRange("number of copies wanted", r.Wanted, 0, MaxCopies))
}

// Bytes returns the item's value.
func (r Release) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("b", r.Receipt)
	rec.SetTill("d", r.Till)
	rec.SetString("u", r.User)
	rec.SetString("r", r.Reason)
	rec.SetInt("m", r.MS)
	rec.SetInt("n", r.Copies)
	rec.SetInt("w", r.Wanted)
	return rec.Bytes()
}

// ParseRelease reads the item of a release.
func ParseRelease(raw []byte) (Release, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "release", Release{Receipt: f.Object("b"), Till: f.Till("d"), User: f.Text("u"), Reason: f.Text("r"),
		MS: f.Int("m"), Copies: f.Int("n"), Wanted: f.Int("w")})
}

// NewRelease returns the item of a release. A value against the rules comes back as an error of [Release.Check].
func NewRelease(r Release) ([]crdt.Piece, error) {
	w := newWriter(TypeRelease, ReleaseID(r.Receipt), nil)
	w.Item(r)
	return w.Done()
}
