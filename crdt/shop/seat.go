package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Seat is the item by which a cloud claims a replica: one store of the shop there, until there is any doubt about that store,
// such as after a restore. It is signed with the cloud's key and is in the first commit of the replica. It is to a cloud what a
// [Lineage] is to a till, without receipt numbers: a cloud issues none.
type Seat struct {
	Cloud       crdt.TillID
	Replica     crdt.ReplicaID
	Predecessor crdt.ReplicaID // the seat it follows, under which nobody writes any more; zero for the first
	MS          int64          // Unix milliseconds
}

// ObjectID returns the object ID of the item.
func (s Seat) ObjectID() crdt.ObjectID {
	return crdt.DeriveObjectID(TypeSeat, s.Cloud[:], s.Replica[:])
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (s Seat) Check() error {
	if s.Cloud.IsZero() || s.Replica.IsZero() || s.Replica == s.Predecessor {
		return fmt.Errorf("%w: a seat names a cloud, a replica and another replica before it", ErrInvalid)
	}
	return rules.CheckMS("time of a seat", s.MS)
}

// Sign returns the item. key is the private key of the cloud.
func (s Seat) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(s.Check(), signer(key, s.Cloud)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign seat: %w", err)
	}
	var rec crdt.Record
	rec.SetTill("d", s.Cloud)
	if !s.Predecessor.IsZero() {
		rec.SetBinary("o", s.Predecessor[:])
	}
	rec.SetBinary("r", s.Replica[:])
	rec.SetInt("t", s.MS)
	return item(TypeSeat, s.ObjectID(), sign(TypeSeat, shop, rec, key)), nil
}

// ParseSeat reads an item. Only a [Roster] can say whether its signature counts.
func ParseSeat(raw []byte) (Seat, error) {
	s, _, err := parseSeat(raw)
	return s, err
}

func parseSeat(raw []byte) (Seat, crdt.Record, error) {
	f := parseSigned(raw)
	s := Seat{Cloud: f.Till("d"), MS: f.Int("t")}
	fixed(f, "r", s.Replica[:])
	fixed(f, "o", s.Predecessor[:])
	s, err := document.Checked(f, "seat", s)
	return s, f.Record(), err
}
