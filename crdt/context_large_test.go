package crdt_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// Merging lists as a whole gives what adding their runs one by one gives, and says so.
func TestManyRunsAreMergedLikeFew(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := crdt.ReplicaID{1}
	some := func(n int) crdt.Context {
		c := make(crdt.Context)
		for range n {
			at := crdt.Seq(random.IntN(2000))
			c.Add(r, crdt.Interval{After: at, To: at + crdt.Seq(1+random.IntN(4))})
		}
		return c
	}
	for range 300 {
		a, b := some(random.IntN(400)), some(random.IntN(400))
		want, whole := a.Clone(), a.Clone()
		grew := false
		for _, iv := range b[r] {
			grew = want.Add(r, iv) || grew
		}
		require.Equal(t, grew, whole.AddAll(b))
		require.True(t, want.Equal(whole), "%v and %v", a, b)
		for range 50 {
			at := crdt.Seq(random.IntN(2010))
			iv := crdt.Interval{After: at, To: at + crdt.Seq(random.IntN(5))}
			all := true
			for s := iv.After + 1; s <= iv.To; s++ {
				all = all && whole.Has(crdt.Dot{Replica: r, Seq: s})
			}
			require.Equal(t, all, whole.CoversRun(r, iv), "%v in %v", iv, whole)
		}
	}
}

// The cost of a claim that fills hundreds of thousands of gaps does not grow with their square.
func TestAMillionGapsAreFilledAtOnce(t *testing.T) {
	const gaps = 1_000_000
	r := crdt.ReplicaID{1}
	held, claim := make(crdt.Context), make(crdt.Context)
	for i := crdt.Seq(0); i < gaps; i++ {
		held.Add(r, crdt.Interval{After: 2*i + 1, To: 2*i + 2})
		claim.Add(r, crdt.Interval{After: 2 * i, To: 2*i + 1})
	}
	began := time.Now()
	for _, iv := range claim[r] {
		require.False(t, held.CoversRun(r, iv))
	}
	require.True(t, held.AddAll(claim))
	require.Equal(t, []crdt.Interval{{After: 0, To: 2 * gaps}}, held[r])
	require.Less(t, time.Since(began), 20*time.Second, "one by one it takes many minutes")
}
