package shop

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Lineage is the item by which a till claims a replica: one store of it, from its first write until there is any doubt
// about that store. It is signed with the till's own device key and is in the first commit of the replica.
type Lineage struct {
	Till        crdt.TillID
	Replica     crdt.ReplicaID
	Predecessor crdt.ReplicaID // the lineage it continues, sealed from now on; zero for a till's first
	Last        []ScopeSeq     // the predecessor's last known number in each scope, sorted by scope
	Prefix      string         // of the receipt numbers of this lineage, such as "K2", then "K2b"
	MS          int64          // Unix milliseconds
}

// ScopeSeq is a sequence number in a scope.
type ScopeSeq struct {
	Scope crdt.Scope
	Seq   crdt.Seq
}

// ObjectID returns the object ID of the item.
func (l Lineage) ObjectID() crdt.ObjectID {
	return crdt.DeriveObjectID(TypeLineage, l.Till[:], l.Replica[:])
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (l Lineage) Check() error {
	if l.Till.IsZero() || l.Replica.IsZero() || l.Replica == l.Predecessor {
		return fmt.Errorf("%w: a lineage names a till, a replica and another replica before it", ErrInvalid)
	}
	if len(l.Last) > maxScopes || l.Predecessor.IsZero() && len(l.Last) > 0 {
		return fmt.Errorf("%w: a lineage after %v names %d scopes", ErrInvalid, l.Predecessor, len(l.Last))
	}
	for i, s := range l.Last {
		if s.Seq == 0 || i > 0 && l.Last[i-1].Scope.Compare(s.Scope) >= 0 {
			return fmt.Errorf("%w: scopes of a lineage are sorted and have a number", ErrInvalid)
		}
	}
	return errors.Join(CheckPrefix(l.Prefix), rules.CheckMS("time of a lineage", l.MS))
}

// Sign returns the item. key is the private device key of the till.
func (l Lineage) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(l.Check(), signer(key, l.Till)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign lineage: %w", err)
	}
	var rec crdt.Record
	rec.SetTill("d", l.Till)
	rec.SetBinary("r", l.Replica[:])
	if !l.Predecessor.IsZero() {
		rec.SetBinary("o", l.Predecessor[:])
	}
	if len(l.Last) > 0 {
		b := codec.AppendArray(nil, 2*len(l.Last))
		for _, s := range l.Last {
			b = codec.AppendUint(s.Scope.Append(b), uint64(s.Seq))
		}
		rec.SetRaw("l", b)
	}
	rec.SetString("p", l.Prefix)
	rec.SetInt("t", l.MS)
	return item(TypeLineage, l.ObjectID(), sign(TypeLineage, shop, rec, key)), nil
}

// ParseLineage reads an item. Only a [Roster] can say whether its signature counts.
func ParseLineage(raw []byte) (Lineage, error) {
	l, _, err := parseLineage(raw)
	return l, err
}

func parseLineage(raw []byte) (Lineage, crdt.Record, error) {
	f := parseSigned(raw)
	l := Lineage{Till: f.Till("d"), Prefix: f.Text("p"), MS: f.Int("t")}
	fixed(f, "r", l.Replica[:])
	fixed(f, "o", l.Predecessor[:])
	f.Nested("l", func(r *codec.Reader) { l.Last = readLast(r) })
	l, err := document.Checked(f, "lineage", l)
	return l, f.Record(), err
}

func readLast(r *codec.Reader) []ScopeSeq {
	n := r.Array()
	if n%2 != 0 || n > 2*maxScopes {
		r.Fail("%d values for numbers by scope", n)
		return nil
	}
	last := make([]ScopeSeq, 0, n/2)
	for range n / 2 {
		last = append(last, ScopeSeq{crdt.ReadScope(r), crdt.Seq(r.Uint())})
	}
	return last
}
