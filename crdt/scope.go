package crdt

import (
	"fmt"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// ScopeKind is a kind of data (design §4). Numbers are part of every format: append, never reuse; at most 127.
type ScopeKind uint8

// The kinds of data.
const (
	KindShop      ScopeKind = 1 // roster, lineages, settings of the shop
	KindCatalog   ScopeKind = 2 // articles, groups, tax rates
	KindCustomers ScopeKind = 3
	KindUsers     ScopeKind = 4
	KindStock     ScopeKind = 5
	KindSales     ScopeKind = 6 // tabs, lines, payments, receipts, closings
	KindPayments  ScopeKind = 7 // card details by payment ID
)

var kindNames = map[ScopeKind]string{
	KindShop: "shop", KindCatalog: "catalog", KindCustomers: "customers", KindUsers: "users",
	KindStock: "stock", KindSales: "sales", KindPayments: "payments",
}

// Scope is a kind of data with its owner: the shop (Owner is zero) or one till. What must change in one step shares
// a scope. Kinds this version does not know are stored and relayed like any other.
type Scope struct {
	Kind  ScopeKind
	Owner TillID
}

// The scopes owned by the shop.
var (
	Shop      = Scope{Kind: KindShop}
	Catalog   = Scope{Kind: KindCatalog}
	Customers = Scope{Kind: KindCustomers}
	Users     = Scope{Kind: KindUsers}
	Stock     = Scope{Kind: KindStock}
	Sales     = Scope{Kind: KindSales}
	Payments  = Scope{Kind: KindPayments}
)

// String returns the name of the kind, followed by ":" and the owner's short ID if a till owns it.
func (s Scope) String() string {
	name, ok := kindNames[s.Kind]
	if !ok {
		name = "kind" + strconv.Itoa(int(s.Kind))
	}
	if !s.Owner.IsZero() {
		name += ":" + s.Owner.Short()
	}
	return name
}

// Compare orders scopes by kind, then owner.
func (s Scope) Compare(o Scope) int {
	if s.Kind != o.Kind {
		return int(s.Kind) - int(o.Kind)
	}
	return s.Owner.Compare(o.Owner)
}

const ownedBit = 0x80

// AppendKey appends the form used in store keys: the kind, with the highest bit set and the owner's 32 bytes behind it
// if a till owns the scope. Keys of one scope share this prefix and no other scope has it.
func (s Scope) AppendKey(b []byte) []byte {
	if s.Owner.IsZero() {
		return append(b, byte(s.Kind))
	}
	return append(append(b, byte(s.Kind)|ownedBit), s.Owner[:]...)
}

// CutScopeKey reads what [Scope.AppendKey] wrote at the start of b and returns the rest.
func CutScopeKey(b []byte) (s Scope, rest []byte, err error) {
	if len(b) == 0 || b[0]&^ownedBit == 0 {
		return s, nil, fmt.Errorf("%w: no scope in a key of %d bytes", codec.ErrMalformed, len(b))
	}
	s.Kind = ScopeKind(b[0] &^ ownedBit)
	if b[0]&ownedBit == 0 {
		return s, b[1:], nil
	}
	if len(b) < 1+len(s.Owner) {
		return s, nil, fmt.Errorf("%w: a scope key of %d bytes is too short", codec.ErrMalformed, len(b))
	}
	copy(s.Owner[:], b[1:])
	return s, b[1+len(s.Owner):], nil
}

// Append appends the wire form: a number for a scope of the shop, the key form as bytes for a till's own.
func (s Scope) Append(b []byte) []byte {
	if s.Owner.IsZero() {
		return codec.AppendUint(b, uint64(s.Kind))
	}
	var key [1 + len(s.Owner)]byte
	return codec.AppendBytes(b, s.AppendKey(key[:0]))
}

// ReadScope reads the wire form.
func ReadScope(r *codec.Reader) (s Scope) {
	if c := r.Peek(); c < 0xc4 || c > 0xc6 {
		k := r.Uint()
		if k == 0 || k >= ownedBit {
			r.Fail("scope kind %d is not between 1 and 127", k)
			return s
		}
		return Scope{Kind: ScopeKind(k)}
	}
	key := r.Bytes()
	if r.Err() != nil {
		return s
	}
	s, rest, err := CutScopeKey(key)
	if err != nil || len(rest) != 0 || s.Owner.IsZero() {
		r.Fail("a scope of %d bytes", len(key))
		return Scope{}
	}
	return s
}
