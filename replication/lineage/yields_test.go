package lineage_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/lineage"
)

func TestWhoYields(t *testing.T) {
	own := lineage.Claimant{Replica: replica, Depth: 1, MS: 100, Boot: 7, Nonce: [16]byte{5}}
	for name, c := range map[string]struct {
		other  func(*lineage.Claimant)
		yields bool
		renews bool
	}{
		"a copy that was renewed":       {func(c *lineage.Claimant) { c.Replica[0], c.Depth, c.MS = 0, 2, 1 }, false, false},
		"the original":                  {func(c *lineage.Claimant) { c.Replica[0], c.Depth, c.MS = 9, 0, 900 }, true, false},
		"a copy that began earlier":     {func(c *lineage.Claimant) { c.Replica[0], c.MS = 9, 99 }, true, false},
		"a copy that began later":       {func(c *lineage.Claimant) { c.Replica[0], c.MS = 0, 101 }, false, false},
		"a copy of the same time":       {func(c *lineage.Claimant) { c.Replica[0] = 0 }, true, false},
		"a clone started later":         {func(c *lineage.Claimant) { c.Boot, c.Nonce = 8, [16]byte{} }, false, true},
		"a clone started earlier":       {func(c *lineage.Claimant) { c.Boot, c.Nonce = 6, [16]byte{9} }, true, true},
		"a clone of the same start":     {func(c *lineage.Claimant) { c.Nonce = [16]byte{6} }, false, true},
		"a clone of the same start too": {func(c *lineage.Claimant) { c.Nonce = [16]byte{4} }, true, true},
	} {
		other := own
		c.other(&other)
		v, w := lineage.Yields(own, other), lineage.Yields(other, own)
		require.True(t, v.Copy && w.Copy, name)
		require.Equal(t, c.yields, v.Yields, name)
		require.Equal(t, !c.yields, w.Yields, "%s: exactly one yields", name)
		require.Equal(t, c.renews, v.Renews, name)
		require.Equal(t, c.renews, w.Renews, name)
		if v.Yields {
			require.Contains(t, v.Reason, "till join --replaces", "it names the way out")
		}
	}
	require.False(t, lineage.Yields(own, own).Copy)
}

func TestYieldingIsATotalOrder(t *testing.T) {
	const seed = 11
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	claimant := func() lineage.Claimant {
		return lineage.Claimant{Replica: crdt.ReplicaID{byte(1 + rnd.IntN(3))}, Boot: rnd.Uint32N(3), Nonce: [16]byte{byte(rnd.IntN(3))}}
	}
	fill := func(c lineage.Claimant) lineage.Claimant { // what the roster says depends on the replica alone
		c.Depth, c.MS = int(c.Replica[0])%2, int64(c.Replica[0])*7%3
		return c
	}
	for range 2000 {
		a, b, c := fill(claimant()), fill(claimant()), fill(claimant())
		if a == b || b == c || a == c {
			continue
		}
		require.NotEqual(t, lineage.Yields(a, b).Yields, lineage.Yields(b, a).Yields)
		if lineage.Yields(a, b).Yields && lineage.Yields(b, c).Yields {
			require.True(t, lineage.Yields(a, c).Yields, "%v %v %v", a, b, c)
		}
	}
}

func TestSealsAndClaimants(t *testing.T) {
	s := newShop(t)
	sign := func(l shop.Lineage) {
		l.Till = s.till
		p, err := l.Sign(s.id, s.key)
		require.NoError(t, err)
		require.NoError(t, s.roster.AddItem(p.Type, p.Object, p.Raw))
	}
	second, copied, third := crdt.ReplicaID{2}, crdt.ReplicaID{3}, crdt.ReplicaID{4}
	sign(shop.Lineage{Replica: second, Predecessor: s.first, Prefix: "K1b", MS: 20, Last: []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 3}, {Scope: crdt.Sales, Seq: 812}}})
	sign(shop.Lineage{Replica: copied, Predecessor: s.first, Prefix: "K1qxy", MS: 30, Last: []shop.ScopeSeq{{Scope: crdt.Sales, Seq: 640}}})
	sign(shop.Lineage{Replica: third, Predecessor: second, Prefix: "K1c", MS: 40})
	ctx := crdt.Context{}
	ctx.Add(s.first, crdt.Interval{After: 0, To: 815})
	ctx.Add(second, crdt.Interval{After: 0, To: 4})
	seals := lineage.Seals(s.roster, s.till, map[crdt.Scope]crdt.Context{crdt.Sales: ctx, crdt.Shop: {}})
	require.Len(t, seals, 2)
	require.Equal(t, s.first, seals[0].Replica)
	require.Equal(t, "K1", seals[0].Prefix)
	require.Len(t, seals[0].Successors, 2)
	require.Equal(t, []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 3}, {Scope: crdt.Sales, Seq: 812}}, seals[0].Last)
	require.Equal(t, []shop.ScopeSeq{{Scope: crdt.Sales, Seq: 815}}, seals[0].Beyond)
	require.Equal(t, "K1b", seals[1].Prefix)
	require.Equal(t, []shop.ScopeSeq{{Scope: crdt.Sales, Seq: 4}}, seals[1].Beyond)
	require.Empty(t, lineage.Seals(s.roster, crdt.TillID{9}, nil))

	original := lineage.ClaimantOf(s.roster, s.first, 1, [16]byte{})
	renewed := lineage.ClaimantOf(s.roster, copied, 9, [16]byte{1})
	require.Equal(t, 0, original.Depth)
	require.Equal(t, 1, renewed.Depth)
	require.EqualValues(t, 30, renewed.MS)
	require.Equal(t, 2, lineage.ClaimantOf(s.roster, third, 1, [16]byte{}).Depth)
	require.False(t, lineage.Yields(original, renewed).Yields)
	require.True(t, lineage.Yields(renewed, original).Yields)

	unknown := lineage.ClaimantOf(s.roster, crdt.ReplicaID{}, 1, [16]byte{2}) // lower than all, and nevertheless the latest
	require.Greater(t, unknown.Depth, lineage.ClaimantOf(s.roster, third, 1, [16]byte{}).Depth)
	for _, known := range []crdt.ReplicaID{s.first, second, copied, third} {
		mine := lineage.ClaimantOf(s.roster, known, 7, [16]byte{9})
		require.True(t, lineage.Yields(unknown, mine).Yields, "who is known goes on")
		require.False(t, lineage.Yields(mine, unknown).Yields)
	}
	twin := lineage.ClaimantOf(s.roster, crdt.ReplicaID{}, 2, [16]byte{3})
	require.NotEqual(t, lineage.Yields(unknown, twin).Yields, lineage.Yields(twin, unknown).Yields, "under one ID the start decides, known or not")
}
