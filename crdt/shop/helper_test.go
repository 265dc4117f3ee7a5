package shop_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// device is a till in tests.
type device struct {
	key ed25519.PrivateKey
	id  crdt.TillID
}

func newDevice(n uint64) *device {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("till"), n))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &device{key: key, id: crdt.TillIDOf(key.Public().(ed25519.PublicKey))}
}

func (d *device) public() ed25519.PublicKey { return d.key.Public().(ed25519.PublicKey) }

// replica returns the ID of a lineage of the device, counted from 0.
func (d *device) replica(n uint64) crdt.ReplicaID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(d.id[:], n))
	return crdt.ReplicaID(sum[:16])
}

var nonce = [shop.NonceSize]byte{1, 2, 3}

// founded returns a shop with the admission of its founder.
func founded(t testing.TB, d *device) (crdt.ShopID, crdt.Piece) {
	t.Helper()
	a, id := shop.Found(d.public(), nonce, "Kasse 1", 1000)
	p, err := a.Sign(id, d.key)
	require.NoError(t, err)
	return id, p
}

func admission(t testing.TB, s crdt.ShopID, by, of *device, prefix string, ms int64) crdt.Piece {
	t.Helper()
	p, err := shop.Admission{PublicKey: of.public(), Name: "Kasse " + prefix, Prefix: prefix, By: by.id, MS: ms}.Sign(s, by.key)
	require.NoError(t, err)
	return p
}

func lineage(t testing.TB, s crdt.ShopID, d *device, n uint64, prefix string, ms int64) crdt.Piece {
	t.Helper()
	l := shop.Lineage{Till: d.id, Replica: d.replica(n), Prefix: prefix, MS: ms}
	if n > 0 {
		l.Predecessor = d.replica(n - 1)
		l.Last = []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 7}, {Scope: crdt.Sales, Seq: crdt.NewSeq(3, 9)}}
	}
	p, err := l.Sign(s, d.key)
	require.NoError(t, err)
	return p
}

func departure(t testing.TB, s crdt.ShopID, by, of *device, revoked bool, ms int64) crdt.Piece {
	t.Helper()
	p, err := shop.Departure{Revoked: revoked, Till: of.id, By: by.id, MS: ms, Reason: "Test"}.Sign(s, by.key)
	require.NoError(t, err)
	return p
}

func roster(t testing.TB, s crdt.ShopID, items ...crdt.Piece) *shop.Roster {
	t.Helper()
	r := shop.NewRoster(s)
	for _, p := range items {
		require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw))
	}
	return r
}

// seen is everything a roster says.
type seen struct {
	Tills    []shop.Till
	Problems []shop.Problem
}

func all(r *shop.Roster) seen { return seen{r.Tills(), r.Problems()} }
