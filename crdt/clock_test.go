package crdt

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

func randomClock(r *rand.Rand) (Clock, map[ReplicaID]Seq) {
	var c Clock
	model := make(map[ReplicaID]Seq)
	for range r.IntN(8) {
		d := Dot{ReplicaID{byte(1 + r.IntN(5))}, Seq(1 + r.IntN(6))}
		c = c.With(d)
		model[d.Replica] = max(model[d.Replica], d.Seq)
	}
	return c, model
}

func TestClockAgainstModel(t *testing.T) {
	r := random(t)
	for range 2000 {
		a, ma := randomClock(r)
		b, mb := randomClock(r)
		keepA, keepB := slices.Clone(a), slices.Clone(b)
		require.True(t, a.valid())
		require.Len(t, a, len(ma))
		covers := true
		for k := range byte(7) {
			id := ReplicaID{k}
			require.Equal(t, ma[id], a.Get(id))
			require.Equal(t, max(ma[id], mb[id]), a.Join(b).Get(id))
			require.True(t, a.Covers(Dot{id, ma[id]}))
			require.False(t, a.Covers(Dot{id, ma[id] + 1}))
			covers = covers && ma[id] >= mb[id]
		}
		require.Equal(t, covers, a.CoversAll(b))
		require.Equal(t, covers && b.CoversAll(a), a.Equal(b))
		require.True(t, a.Join(b).Equal(b.Join(a)))
		require.True(t, a.Join(a).Equal(a))
		require.True(t, a.Join(b).valid())
		require.True(t, a.Equal(keepA) && b.Equal(keepB), "Join must not change its operands")

		// The form in a piece leaves out the writer, the form of an up-to leaves out nobody.
		rd := codec.NewReader(a.append(nil, ReplicaID{}))
		require.True(t, a.Equal(readClock(rd)))
		require.NoError(t, rd.Done())
		rd = codec.NewReader(a.append(nil, ReplicaID{1}))
		want := slices.DeleteFunc(slices.Clone(a), func(d Dot) bool { return d.Replica == ReplicaID{1} })
		require.True(t, want.Equal(readClock(rd)))
		require.NoError(t, rd.Done())
	}
}

// TestClockShares: a clock that grew from another may not write into it, whatever room the other has.
func TestClockShares(t *testing.T) {
	base := append(make(Clock, 0, 10), Dot{ReplicaID{1}, 1}, Dot{ReplicaID{3}, 1})
	x, y := base.With(Dot{ReplicaID{2}, 1}), base.With(Dot{ReplicaID{4}, 1})
	z := base.With(Dot{ReplicaID{1}, 5})
	require.Equal(t, Clock{{ReplicaID{1}, 1}, {ReplicaID{3}, 1}}, base)
	require.Equal(t, Clock{{ReplicaID{1}, 1}, {ReplicaID{2}, 1}, {ReplicaID{3}, 1}}, x)
	require.Equal(t, Clock{{ReplicaID{1}, 1}, {ReplicaID{3}, 1}, {ReplicaID{4}, 1}}, y)
	require.Equal(t, Clock{{ReplicaID{1}, 5}, {ReplicaID{3}, 1}}, z)
}

func TestReadClockRefuses(t *testing.T) {
	id := func(k byte) []byte { return append([]byte{0xc4, 16, k}, make([]byte, 15)...) }
	for name, b := range map[string][]byte{
		"odd":      slices.Concat([]byte{0x91}, id(1)),
		"zero":     slices.Concat([]byte{0x92}, id(1), []byte{0}),
		"nobody":   slices.Concat([]byte{0x92}, id(0), []byte{1}),
		"unsorted": slices.Concat([]byte{0x94}, id(2), []byte{1}, id(1), []byte{1}),
		"twice":    slices.Concat([]byte{0x94}, id(1), []byte{1}, id(1), []byte{2}),
		"huge":     {0xdd, 0xff, 0xff, 0xff, 0xfe},
		"no array": {0x80},
	} {
		r := codec.NewReader(b)
		readClock(r)
		require.ErrorIs(t, r.Done(), codec.ErrMalformed, name)
	}
}

func TestStampOrder(t *testing.T) {
	low, high := Dot{ReplicaID{1}, 1}, Dot{ReplicaID{2}, 1}
	later, earlier := Stamp{true, 20}, Stamp{true, 10}
	require.Positive(t, later.Compare(low, earlier, high))
	require.Negative(t, earlier.Compare(high, later, low))
	require.Positive(t, earlier.Compare(low, Stamp{false, 99}, high), "trusted before untrusted")
	require.Positive(t, earlier.Compare(high, earlier, low), "then the higher dot")
	require.Zero(t, earlier.Compare(low, earlier, low))
}
