package crdt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// ErrID is wrapped by every error about an identifier in text form.
var ErrID = errors.New("not a valid identifier")

// text is the one written form of every identifier: RFC 4648 base32 in lower case, without padding.
var text = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ReplicaID names one lineage of one till's store: 16 random bytes, never used again after any doubt about that store.
type ReplicaID [16]byte

// ObjectID names an object (an article, a tab, a line, ...): 16 bytes, chosen by whoever creates it.
type ObjectID [16]byte

// ShopID names a shop, all tills of one roster: 16 bytes that commit to the key of its founder, see package crdt/shop.
type ShopID [16]byte

// TillID names a till: the SHA-256 of its public device key. See [TillIDOf].
type TillID [32]byte

// TillIDOf returns the ID of the till with this public device key (Ed25519, 32 bytes).
func TillIDOf(publicKey []byte) TillID { return sha256.Sum256(publicKey) }

// String returns the 26 character text form.
func (id ReplicaID) String() string { return text.EncodeToString(id[:]) }

// String returns the 26 character text form.
func (id ObjectID) String() string { return text.EncodeToString(id[:]) }

// String returns the 26 character text form.
func (id ShopID) String() string { return text.EncodeToString(id[:]) }

// String returns the 52 character text form.
func (id TillID) String() string { return text.EncodeToString(id[:]) }

// Short returns the first eight characters of the text form, for people and log lines; it is not unique.
func (id TillID) Short() string { return id.String()[:8] }

// IsZero reports whether the ID was never set.
func (id ReplicaID) IsZero() bool { return id == ReplicaID{} }

// IsZero reports whether the ID was never set.
func (id ObjectID) IsZero() bool { return id == ObjectID{} }

// IsZero reports whether the ID was never set.
func (id ShopID) IsZero() bool { return id == ShopID{} }

// IsZero reports whether the ID was never set.
func (id TillID) IsZero() bool { return id == TillID{} }

// Compare orders replica IDs by their bytes.
func (id ReplicaID) Compare(other ReplicaID) int { return bytes.Compare(id[:], other[:]) }

// Compare orders object IDs by their bytes.
func (id ObjectID) Compare(other ObjectID) int { return bytes.Compare(id[:], other[:]) }

// Compare orders till IDs by their bytes.
func (id TillID) Compare(other TillID) int { return bytes.Compare(id[:], other[:]) }

// ParseReplicaID reads the text form; any other spelling of the same bytes is refused with [ErrID].
func ParseReplicaID(s string) (id ReplicaID, err error) {
	err = parseID(id[:], s)
	return id, err
}

// ParseObjectID reads the text form; any other spelling of the same bytes is refused with [ErrID].
func ParseObjectID(s string) (id ObjectID, err error) {
	err = parseID(id[:], s)
	return id, err
}

// ParseShopID reads the text form; any other spelling of the same bytes is refused with [ErrID].
func ParseShopID(s string) (id ShopID, err error) {
	err = parseID(id[:], s)
	return id, err
}

// ParseTillID reads the text form; any other spelling of the same bytes is refused with [ErrID].
func ParseTillID(s string) (id TillID, err error) {
	err = parseID(id[:], s)
	return id, err
}

// MarshalText returns the text form.
func (id ReplicaID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id ObjectID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id ShopID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id TillID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *ReplicaID) UnmarshalText(b []byte) error { return parseID(id[:], string(b)) }

// UnmarshalText reads the text form.
func (id *ObjectID) UnmarshalText(b []byte) error { return parseID(id[:], string(b)) }

// UnmarshalText reads the text form.
func (id *ShopID) UnmarshalText(b []byte) error { return parseID(id[:], string(b)) }

// UnmarshalText reads the text form.
func (id *TillID) UnmarshalText(b []byte) error { return parseID(id[:], string(b)) }

func parseID(into []byte, s string) error {
	if len(s) != text.EncodedLen(len(into)) {
		return fmt.Errorf("%w: %q has %d characters, want %d", ErrID, clip(s, 60), len(s), text.EncodedLen(len(into)))
	}
	b, err := text.DecodeString(s)
	if err != nil || text.EncodeToString(b) != s {
		return fmt.Errorf("%w: %q is not lower-case base32", ErrID, s)
	}
	copy(into, b)
	return nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// DeriveObjectID returns the ID that every till computes for the same parts, so that two tills which create the same
// slot apart (a discount on one line, a receipt number of a series) meet in one object. kind separates the uses.
func DeriveObjectID(kind string, parts ...[]byte) ObjectID {
	h := sha256.New()
	h.Write([]byte("tillmesh object\x00" + kind + "\x00"))
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return ObjectID(h.Sum(nil)[:16])
}

// Seq numbers the commits of one replica in one scope: the start (boot) in the upper 32 bits, a counter from 1 within
// that start in the lower 32. Zero means "none".
type Seq uint64

// NewSeq returns the k-th sequence number of a start.
func NewSeq(boot, k uint32) Seq { return Seq(boot)<<32 | Seq(k) }

// Boot returns the start that the number belongs to.
func (s Seq) Boot() uint32 { return uint32(s >> 32) }

// K returns the counter within the start.
func (s Seq) K() uint32 { return uint32(s) }

// String returns "boot.k", such as "217382912.7".
func (s Seq) String() string {
	return strconv.FormatUint(uint64(s.Boot()), 10) + "." + strconv.FormatUint(uint64(s.K()), 10)
}

// BootEpoch is 2020-01-01 00:00 UTC in Unix seconds, where boot numbers start.
const BootEpoch = 1577836800

// NextBoot returns the number of a new start: one more than the last, or the seconds since 2020 if that is more, so
// that a store whose last boot number was lost still moves ahead. It never goes back, whatever the clock says.
func NextBoot(last uint32, unixSeconds int64) uint32 {
	next := last + 1
	// A clock in the far future may not use up the numbers: from 2088 on, starts are only counted.
	if s := unixSeconds - BootEpoch; s > int64(next) && s < 1<<31 {
		next = uint32(s)
	}
	return next
}

// Dot names one commit in a scope.
type Dot struct {
	Replica ReplicaID
	Seq     Seq
}

// Compare orders dots by replica, then sequence number.
func (d Dot) Compare(other Dot) int {
	if c := d.Replica.Compare(other.Replica); c != 0 {
		return c
	}
	switch {
	case d.Seq < other.Seq:
		return -1
	case d.Seq > other.Seq:
		return 1
	}
	return 0
}

// String returns the first eight characters of the replica and the sequence number, for log lines.
func (d Dot) String() string { return d.Replica.String()[:8] + "/" + d.Seq.String() }
