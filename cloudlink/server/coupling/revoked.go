package coupling

import (
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// RevokedTopic is under which the cloud tells a till which devices of its shop were cut off from it, and a till tells the
// others: an Ask of package wire whose body is a list of [Revoked]; the answer is empty. It asks the tills to look whether they
// are to be removed from the shop, too: the cloud itself removes nobody.
const RevokedTopic = "cloud/revoked"

const (
	// MaxRevoked bounds the list: of more, the latest are told.
	MaxRevoked = 256
	maxWhy     = 1000 // bytes of a reason
)

// Revoked is a till that was cut off from the cloud.
type Revoked struct {
	Till    crdt.TillID
	SinceMS int64  // by the cloud's clock, Unix
	Why     string // for people
}

const revokedVersion = 1

// EncodeRevoked returns the bytes: [1, [[till, ms, why], ...]].
func EncodeRevoked(list []Revoked) []byte {
	list = list[:min(len(list), MaxRevoked)]
	b := codec.AppendUint(codec.AppendArray(nil, 2), revokedVersion)
	b = codec.AppendArray(b, len(list))
	for _, r := range list {
		b = codec.AppendInt(codec.AppendBytes(codec.AppendArray(b, 3), r.Till[:]), r.SinceMS)
		b = codec.AppendString(b, strings.ToValidUTF8(r.Why[:min(len(r.Why), maxWhy)], ""))
	}
	return b
}

// DecodeRevoked reads such a list. The error wraps [codec.ErrMalformed].
func DecodeRevoked(b []byte) (list []Revoked, err error) {
	if err := codec.Check(b); err != nil {
		return nil, fmt.Errorf("read which tills were cut off: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != revokedVersion {
		r.Fail("version %d, this program knows %d", v, revokedVersion)
	}
	n := r.Array()
	if n > MaxRevoked {
		r.Fail("%d tills, at most %d are told", n, MaxRevoked)
	}
	for range n {
		if r.Err() != nil {
			break
		}
		var one Revoked
		rest := r.ArrayOf(3)
		r.Fixed(one.Till[:])
		one.SinceMS = r.Int()
		if one.Why = r.String(); len(one.Why) > maxWhy {
			r.Fail("a reason of %d bytes", len(one.Why))
		}
		r.Skip(rest)
		list = append(list, one)
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("read which tills were cut off: %w", err)
	}
	return list, nil
}
