package mesh

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

const (
	// MaxGossipKeys bounds a set. More than one key of the same age exists only when several tills made one at the same
	// moment, which every till of a large shop may do once.
	MaxGossipKeys = 16
	// MaxGossipKeysBytes is more than an encoded set can have.
	MaxGossipKeysBytes = 1 << 10

	gossipKeysVersion = 1
)

// ErrGossipKeys is wrapped by the errors of [DecodeGossipKeys].
var ErrGossipKeys = errors.New("not a set of gossip keys")

// GossipKey is a key that tills of a shop gossip with.
type GossipKey struct {
	// Revocations is how many revoked tills its maker knew of. None of them ever got it.
	Revocations uint32
	Secret      [gossipKeySize]byte
}

// GossipKeys is what a till knows of the shop's gossip keys: those of the most revocations, the one to speak with first
// and the rest only understood. A value does not change; the zero value is empty.
//
// The shop key is the first. Whoever revokes a till, or hears of more revocations than its keys know (see
// [GossipKeys.Stale]), makes a fresh one with [GossipKeys.Rotated]; it travels on links only, to tills of the roster.
// Sets are merged in any order and any number of times, and all tills that merged the same sets hold the same one.
type GossipKeys struct {
	list []GossipKey // as order says
}

// NewGossipKeys returns the set of a shop that revoked nobody.
func NewGossipKeys(shopKey [gossipKeySize]byte) GossipKeys {
	return gossipKeys([]GossipKey{{Secret: shopKey}})
}

// gossipKeys makes a set: keys that know fewer revocations than another one go, since a revoked till may hold them.
func gossipKeys(list []GossipKey) GossipKeys {
	slices.SortFunc(list, compareGossipKeys)
	list = slices.CompactFunc(list, func(a, b GossipKey) bool { return a == b })
	of := 0
	for of < min(len(list), MaxGossipKeys) && list[of].Revocations == list[0].Revocations {
		of++
	}
	return GossipKeys{slices.Clip(list[:of])}
}

// compareGossipKeys orders by revocations, the most first, then by hash.
func compareGossipKeys(a, b GossipKey) int {
	x, y := sha256.Sum256(a.Secret[:]), sha256.Sum256(b.Secret[:])
	return cmp.Or(cmp.Compare(b.Revocations, a.Revocations), bytes.Compare(x[:], y[:]))
}

// IsZero reports whether the set is empty.
func (k GossipKeys) IsZero() bool { return len(k.list) == 0 }

// Primary returns the key to speak with, the zero key if the set is empty.
func (k GossipKeys) Primary() GossipKey {
	if k.IsZero() {
		return GossipKey{}
	}
	return k.list[0]
}

// All returns the keys, the primary one first. The caller owns the result.
func (k GossipKeys) All() []GossipKey { return slices.Clone(k.list) }

// Secrets returns what [Gossip.SetKeys] takes. The caller owns the result.
func (k GossipKeys) Secrets() (primary []byte, others [][]byte) {
	for i, key := range k.list {
		if i == 0 {
			primary = bytes.Clone(key.Secret[:])
			continue
		}
		others = append(others, bytes.Clone(key.Secret[:]))
	}
	return primary, others
}

// Equal reports whether both hold the same keys.
func (k GossipKeys) Equal(o GossipKeys) bool { return slices.Equal(k.list, o.list) }

// Merge returns the set of whoever knows both.
func (k GossipKeys) Merge(o GossipKeys) GossipKeys {
	return gossipKeys(slices.Concat(k.list, o.list))
}

// Within returns the set without keys that claim more revocations than this till knows of. What a peer sent goes through
// it before it is merged: a peer that lies, or that heard of a revocation first, must not push out the key that the
// others speak with. Ask again after the roster has grown.
func (k GossipKeys) Within(revocations uint32) GossipKeys {
	return gossipKeys(slices.DeleteFunc(k.All(), func(key GossipKey) bool { return key.Revocations > revocations }))
}

// Stale reports whether a till may hold all of these keys that is revoked by now.
func (k GossipKeys) Stale(revocations uint32) bool { return k.Primary().Revocations < revocations }

// Rotated returns the set with a fresh key, made by a till that knows of so many revocations; keys that know fewer are
// gone. fresh must come from a cryptographic source.
func (k GossipKeys) Rotated(revocations uint32, fresh [gossipKeySize]byte) GossipKeys {
	return k.Merge(gossipKeys([]GossipKey{{revocations, fresh}}))
}

// Encode returns the bytes for a file, which nobody else may read, and for a link: an array of the version and an array
// of keys, each [revocations, secret]. The same set has the same bytes.
func (k GossipKeys) Encode() []byte {
	b := codec.AppendArray(nil, 2)
	b = codec.AppendUint(b, gossipKeysVersion)
	b = codec.AppendArray(b, len(k.list))
	for _, key := range k.list {
		b = codec.AppendArray(b, 2)
		b = codec.AppendUint(b, uint64(key.Revocations))
		b = codec.AppendBytes(b, key.Secret[:])
	}
	return b
}

// DecodeGossipKeys reads what Encode wrote, or a later version that appended to it. It refuses an empty set and one
// beyond the limits. Errors wrap [ErrGossipKeys].
func DecodeGossipKeys(b []byte) (GossipKeys, error) {
	if len(b) > MaxGossipKeysBytes {
		return GossipKeys{}, fmt.Errorf("%w: %d bytes, at most %d", ErrGossipKeys, len(b), MaxGossipKeysBytes)
	}
	if err := codec.Check(b); err != nil {
		return GossipKeys{}, fmt.Errorf("%w: %w", ErrGossipKeys, err)
	}
	r := codec.NewReader(b)
	later := r.ArrayOf(2)
	if v := r.Uint(); v < gossipKeysVersion {
		r.Fail("version %d", v)
	}
	n := r.Array()
	if n < 1 || n > MaxGossipKeys {
		r.Fail("%d keys, from 1 to %d are possible", n, MaxGossipKeys)
	}
	var list []GossipKey
	for i := 0; i < n && r.Err() == nil; i++ {
		list = append(list, readGossipKey(r))
	}
	r.Skip(later)
	if err := r.Done(); err != nil {
		return GossipKeys{}, fmt.Errorf("%w: %w", ErrGossipKeys, err)
	}
	return gossipKeys(list), nil
}

func readGossipKey(r *codec.Reader) (key GossipKey) {
	later := r.ArrayOf(2)
	revocations := r.Uint()
	if revocations > math.MaxUint32 {
		r.Fail("%d revocations", revocations)
	}
	key.Revocations = uint32(revocations)
	r.Fixed(key.Secret[:])
	r.Skip(later)
	if key.Secret == ([gossipKeySize]byte{}) {
		r.Fail("an empty key")
	}
	return key
}
