package shop_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func recovery(t testing.TB, s crdt.ShopID, by, of *device, ms int64) crdt.Piece {
	t.Helper()
	p, err := shop.Recovery{PublicKey: of.public(), By: by.id, MS: ms}.Sign(s, by.key)
	require.NoError(t, err)
	return p
}

func replacing(t testing.TB, s crdt.ShopID, by, of, old *device, prefix string, ms int64) crdt.Piece {
	t.Helper()
	p, err := shop.Admission{PublicKey: of.public(), Name: "Kasse " + prefix, Prefix: prefix, By: by.id, MS: ms, Replaces: old.id}.Sign(s, by.key)
	require.NoError(t, err)
	return p
}

func recoveryPrefix(t testing.TB, r *shop.Roster, d *device) string {
	t.Helper()
	p, err := r.RecoveryPrefix(d.public())
	require.NoError(t, err)
	require.NoError(t, shop.CheckPrefix(p))
	return p
}

func TestARecoveryKeyAdmitsATillAlone(t *testing.T) {
	f, a, b, key := newDevice(1), newDevice(2), newDevice(3), newDevice(9)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1), recovery(t, s, f, key, 2))
	prefix := recoveryPrefix(t, r, a)
	require.Regexp(t, `^K2\.0[a-z]{6}$`, prefix)
	add := func(p crdt.Piece) { require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw)) }
	add(replacing(t, s, key, a, f, prefix, 3))
	require.True(t, r.Active(a.id))
	require.True(t, r.Active(f.id), "it is replaced when the other one has begun to work, not before")
	add(lineage(t, s, a, 0, prefix, 4))
	require.Equal(t, shop.Retired, r.State(f.id))
	old, _ := r.Till(f.id)
	require.Equal(t, []crdt.TillID{a.id}, old.ReplacedBy)
	got, _ := r.Till(a.id)
	require.True(t, got.Recovered)
	require.Equal(t, key.id, got.AdmittedBy)
	require.Equal(t, f.id, got.Replaces)

	next, err := r.NextSeries(a.id)
	require.NoError(t, err)
	require.Equal(t, "K2b"+prefix[2:], next)
	given, err := r.NextPrefix(a.replica(0))
	require.NoError(t, err)
	require.Equal(t, "K3."+prefix[1:], given, "who was admitted so admits others")
	add(admission(t, s, a, b, given, 5))
	require.True(t, r.Active(b.id))
	require.Empty(t, r.Problems())
	require.Len(t, r.RecoveryKeys(), 1)
}

func TestARecoveryKeyCountsOnlyFromTheFounderAndOnlyForItsBranch(t *testing.T) {
	f, a, b, key := newDevice(1), newDevice(2), newDevice(3), newDevice(9)
	s, first := founded(t, f)
	member := admission(t, s, f, a, "K2", 1)
	good := recoveryPrefix(t, roster(t, s, first), b)
	other := recoveryPrefix(t, roster(t, s, first), newDevice(4))
	for name, items := range map[string][]crdt.Piece{
		"made known by another till": {recovery(t, s, a, key, 2), admission(t, s, key, b, good, 3)},
		"not made known":             {admission(t, s, key, b, good, 3)},
		"a prefix the founder gives": {recovery(t, s, f, key, 2), admission(t, s, key, b, "K3", 3)},
		"the letters of another key": {recovery(t, s, f, key, 2), admission(t, s, key, b, other, 3)},
		"a till gives such a prefix": {admission(t, s, a, b, good, 3)},
	} {
		r := roster(t, s, append([]crdt.Piece{first, member}, items...)...)
		require.Equal(t, shop.Unknown, r.State(b.id), name)
		require.NotEmpty(t, r.Problems(), name)
	}
	_, err := shop.Recovery{PublicKey: f.public(), By: f.id, MS: 1}.Sign(s, f.key)
	require.ErrorIs(t, err, shop.ErrInvalid, "the key of the founder itself")
	_, err = shop.Recovery{PublicKey: key.public(), By: f.id, MS: 1}.Sign(s, a.key)
	require.ErrorIs(t, err, shop.ErrSignature)
}

func TestRecoveredPrefixes(t *testing.T) {
	for _, s := range []string{"K2.0abcdef", "K2b.0abcdef", "K9.2.0zzzzzz", "K9.2c.0zzzzzz"} {
		require.NoError(t, shop.CheckPrefix(s), s)
	}
	for _, s := range []string{"K0abcdef", "K2.0abcde", "K2.0abcdefg", "K2.0abcdeF", "K2.0abcdef.3", "K2.0", "K2.00abcde", "K2.0abc1ef"} {
		require.ErrorIs(t, shop.CheckPrefix(s), shop.ErrInvalid, s)
	}
}

// TestRecoveryAndReplacementInAnyOrder gives items of every kind in random orders.
func TestRecoveryAndReplacementInAnyOrder(t *testing.T) {
	f, a, b, c, key := newDevice(1), newDevice(2), newDevice(3), newDevice(4), newDevice(9)
	s, first := founded(t, f)
	prefix := recoveryPrefix(t, roster(t, s, first), b)
	items := []crdt.Piece{
		first, lineage(t, s, f, 0, "K1", 1), recovery(t, s, f, key, 5), recovery(t, s, f, key, 2),
		admission(t, s, f, a, "K2", 3), lineage(t, s, a, 0, "K2", 3),
		replacing(t, s, key, b, a, prefix, 4), lineage(t, s, b, 0, prefix, 4),
		// The recovery key is also a till: both ways to sign count, whichever is known first.
		admission(t, s, f, key, "K7", 6), admission(t, s, key, c, recoveryPrefix(t, roster(t, s, first), c), 7),
		departure(t, s, a, f, true, 8), departure(t, s, f, f, true, 7), departure(t, s, f, a, true, 9), departure(t, s, b, c, false, 9),
	}
	type says struct {
		seen
		Revocations []shop.Departure
		Keys        []shop.Recovery
	}
	say := func(r *shop.Roster) says { return says{all(r), r.Revocations(), r.RecoveryKeys()} }
	want := say(roster(t, s, items...))
	require.Len(t, want.Tills, 5)
	require.EqualValues(t, 2, want.Keys[0].MS, "the earlier of two that make one key known")
	for seed := range uint64(200) {
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			shuffled := append(append([]crdt.Piece{}, items...), items[rnd.IntN(len(items))])
			rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			require.Equal(t, want, say(roster(t, s, shuffled...)))
		})
	}
}

func TestReplacedIsWeakerThanRevoked(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1), admission(t, s, f, a, "K2", 2), lineage(t, s, a, 0, "K2", 2),
		replacing(t, s, f, b, a, "K3", 3), lineage(t, s, b, 0, "K3", 3))
	require.Equal(t, shop.Retired, r.State(a.id))
	require.True(t, r.MayPush(a.id, a.replica(0)), "what it holds is still handed over")
	_, err := r.NextPrefix(a.replica(0))
	require.ErrorIs(t, err, shop.ErrNotActive)
	p := departure(t, s, f, a, true, 4)
	require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw))
	require.Equal(t, shop.Revoked, r.State(a.id))
	require.False(t, r.MayPush(a.id, a.replica(0)))
}

func TestHistoryIsMarked(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1), admission(t, s, f, a, "K2", 2), lineage(t, s, a, 0, "K2", 2),
		admission(t, s, f, b, "K3", 2), departure(t, s, b, a, true, 900), departure(t, s, f, a, true, 800), departure(t, s, f, a, false, 10))
	require.Equal(t, shop.Source{Till: a.id, State: shop.Revoked, RevokedMS: 800}, r.Source(a.replica(0), crdt.Stamp{MS: 799}))
	require.Equal(t, shop.Source{Till: a.id, State: shop.Revoked, RevokedMS: 800, Late: true}, r.Source(a.replica(0), crdt.Stamp{MS: 800}))
	require.True(t, r.Source(a.replica(0), crdt.Stamp{}).Marked())
	require.Equal(t, shop.Source{Till: f.id, State: shop.Active}, r.Source(f.replica(0), crdt.Stamp{MS: 1}))
	require.Equal(t, shop.Source{}, r.Source(crdt.ReplicaID{1}, crdt.Stamp{MS: 1}))
	require.Equal(t, 2, r.RevocationCount())
	require.Equal(t, f.id, r.Revocations()[0].By, "the earlier first")
	l, ok := r.Lineage(a.replica(0))
	require.True(t, ok)
	require.Equal(t, "K2", l.Prefix)
}

func TestCopiesChooseSeriesApart(t *testing.T) {
	a := newDevice(2)
	seen := make(map[string]bool)
	for n := range uint64(20) {
		p, err := shop.SeriesApart("K2", a.replica(n), "K2", "K2b")
		require.NoError(t, err)
		require.Regexp(t, `^K2[a-z]{3}$`, p)
		seen[p] = true
		again, err := shop.SeriesApart("K2", a.replica(n), "K2", p)
		require.NoError(t, err)
		require.NotEqual(t, p, again, "one that is known is not given again")
		next, err := shop.NextSeries("K2", "K2", p)
		require.NoError(t, err)
		require.NotEqual(t, p, next)
	}
	require.Len(t, seen, 20)
	p, err := shop.NextSeries("K2", "K2", "K2zzz", "K2b")
	require.NoError(t, err)
	require.Equal(t, "K2c", p, "after the last comes the first that is free")
	_, err = shop.SeriesApart("K2b", a.replica(1))
	require.ErrorIs(t, err, shop.ErrInvalid)
	f := newDevice(1)
	s, first := founded(t, f)
	_, err = roster(t, s, first).SeriesApart(a.id, a.replica(1))
	require.ErrorIs(t, err, shop.ErrNotActive)
	p, err = roster(t, s, first).SeriesApart(f.id, f.replica(1))
	require.NoError(t, err)
	require.Regexp(t, `^K1[a-z]{3}$`, p)
}
