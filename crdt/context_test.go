package crdt

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// seqs is the naive model of one replica in a context: every sequence number on its own.
type seqs map[Dot]bool

const span = 40 // sequence numbers of the model, few enough that runs meet

// randomContext returns a context and the set it stands for, built by adding runs in any order.
func randomContext(t *testing.T, r *rand.Rand) (Context, seqs) {
	c, model := make(Context), make(seqs)
	for range r.IntN(12) {
		id := ReplicaID{byte(1 + r.IntN(3))}
		after := Seq(r.IntN(span))
		iv := Interval{after, after + Seq(r.IntN(6))}
		before := len(model)
		for s := iv.After + 1; s <= iv.To; s++ {
			model[Dot{id, s}] = true
		}
		require.Equal(t, len(model) > before, c.Add(id, iv), "Add must tell whether the set grew")
	}
	return c, model
}

func requireSame(t *testing.T, want seqs, c Context) {
	t.Helper()
	for k := range byte(5) {
		for s := Seq(1); s < span+10; s++ {
			d := Dot{ReplicaID{k}, s}
			if c.Has(d) != want[d] {
				require.Equal(t, want[d], c.Has(d), "%v in %v", d, c)
			}
		}
	}
	for id, list := range c {
		require.NotEmpty(t, list)
		for i, iv := range list {
			require.Less(t, iv.After, iv.To)
			require.True(t, i == 0 || list[i-1].To < iv.After, "runs of %v touch or are not sorted: %v", id, list)
		}
	}
}

func TestContextAgainstModel(t *testing.T) {
	r := random(t)
	for range 2000 {
		a, ma := randomContext(t, r)
		b, mb := randomContext(t, r)
		requireSame(t, ma, a)

		minus, and, or, covers := make(seqs), make(seqs), make(seqs), true
		for d := range ma {
			or[d] = true
			if mb[d] {
				and[d] = true
			} else {
				minus[d] = true
			}
		}
		for d := range mb {
			or[d] = true
			covers = covers && ma[d]
		}
		copyA, copyB := a.Clone(), b.Clone()
		requireSame(t, minus, a.Minus(b))
		requireSame(t, and, a.And(b))
		require.Equal(t, covers, a.Covers(b))
		require.Equal(t, len(minus) == 0 && covers, a.Equal(b))
		require.Equal(t, a.Equal(b), a.Hash() == b.Hash())
		require.True(t, a.Equal(copyA) && b.Equal(copyB), "set operations must not change their operands")

		sum := a.Clone()
		require.Equal(t, !covers, sum.AddAll(b))
		requireSame(t, or, sum)
		require.True(t, a.Equal(copyA), "a clone must share nothing")
		require.False(t, sum.AddAll(a))

		wire := a.Append(nil)
		require.NoError(t, codec.Check(wire))
		rd := codec.NewReader(wire)
		back := ReadContext(rd)
		require.NoError(t, rd.Done())
		require.True(t, a.Equal(back))
		require.Equal(t, wire, back.Append(nil))
		for _, id := range a.Replicas() {
			last := Seq(0)
			for d := range ma {
				if d.Replica == id {
					last = max(last, d.Seq)
				}
			}
			require.Equal(t, last, a.Last(id))
		}
	}
}

// TestContextHealthy: a replica that commits without interruption is one run per start, whatever the order of arrival.
func TestContextHealthy(t *testing.T) {
	r := random(t)
	var commits []*Commit
	last := Seq(0)
	for _, boot := range []uint32{100, 200} {
		for k := uint32(1); k <= 50; k += 1 + r.Uint32N(3) {
			c := &Commit{Dot: Dot{ReplicaID{1}, NewSeq(boot, k)}, Pred: last}
			last = c.Dot.Seq
			commits = append(commits, c)
		}
	}
	r.Shuffle(len(commits), func(i, j int) { commits[i], commits[j] = commits[j], commits[i] })
	ctx := make(Context)
	for _, c := range commits {
		ctx.Add(c.Dot.Replica, c.Interval())
	}
	require.Len(t, ctx[ReplicaID{1}], 2, "%v", ctx)
	require.Equal(t, last, ctx.Last(ReplicaID{1}))
	require.False(t, ctx.Has(Dot{ReplicaID{1}, NewSeq(200, 0)}), "the first commit of a start claims only itself")
}

func TestReadContextRefuses(t *testing.T) {
	id := func(k byte) []byte { return append([]byte{0xc4, 16, k}, make([]byte, 15)...) }
	for name, b := range map[string][]byte{
		"nothing":           {},
		"a number":          {7},
		"huge":              {0xdd, 0xff, 0xff, 0xff, 0xff},
		"short replica":     {0x91, 0x92, 0xc4, 2, 1, 2, 0x92, 0, 1},
		"no runs":           slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x90}),
		"half a run":        slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x91, 0}),
		"an empty run":      slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x92, 0, 0}),
		"runs that touch":   slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x94, 0, 1, 0, 1}),
		"a negative run":    slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x92, 0, 0xff}),
		"a run that wraps":  slices.Concat([]byte{0x91, 0x92}, id(1), []byte{0x92, 2, 0xcf, 255, 255, 255, 255, 255, 255, 255, 255}),
		"replicas unsorted": slices.Concat([]byte{0x92, 0x92}, id(2), []byte{0x92, 0, 1, 0x92}, id(1), []byte{0x92, 0, 1}),
		"a replica twice":   slices.Concat([]byte{0x92, 0x92}, id(1), []byte{0x92, 0, 1, 0x92}, id(1), []byte{0x92, 0, 1}),
	} {
		r := codec.NewReader(b)
		ReadContext(r)
		require.ErrorIs(t, r.Done(), codec.ErrMalformed, name)
	}
	longer := slices.Concat([]byte{0x91, 0x93}, id(1), []byte{0x92, 0, 1, 0xc0})
	r := codec.NewReader(longer)
	require.True(t, ReadContext(r).Has(Dot{ReplicaID{1}, 1}), "a newer program may append to an entry")
	require.NoError(t, r.Done())
}
