package crdt

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes another one each time")

// random returns a generator whose seed is printed; -seed takes it again.
func random(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -args -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

func TestIDText(t *testing.T) {
	require.Equal(t, "aaaaaaaaaaaaaaaaaaaaaaaaaa", ReplicaID{}.String())
	require.Equal(t, "7777777777777777777777777"+"4", ObjectID(bytes.Repeat([]byte{0xff}, 16)).String())
	require.Equal(t, "aebagbafaydqqcikbmga2dqpca", ShopID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}.String())
	require.Equal(t, "4oymiquy7qobjgx36tejs35zeqt24qpemsnzgtfeswmrw6csxbkq", TillIDOf(nil).String())
	require.Equal(t, "4oymiquy", TillIDOf(nil).Short())

	r := random(t)
	for range 200 {
		var id ObjectID
		fill(r, id[:])
		got, err := ParseObjectID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, got)
		replica, err := ParseReplicaID(id.String())
		require.NoError(t, err)
		require.Equal(t, ReplicaID(id), replica)
		shop, err := ParseShopID(id.String())
		require.NoError(t, err)
		require.Equal(t, ShopID(id), shop)
		var till TillID
		fill(r, till[:])
		back, err := ParseTillID(till.String())
		require.NoError(t, err)
		require.Equal(t, till, back)
	}
}

func TestIDJSON(t *testing.T) {
	type ids struct {
		R ReplicaID
		O ObjectID
		S ShopID
		T TillID
	}
	in := ids{ReplicaID{1}, ObjectID{2}, ShopID{3}, TillID{4}}
	b, err := json.Marshal(in)
	require.NoError(t, err)
	var out ids
	require.NoError(t, json.Unmarshal(b, &out))
	require.Equal(t, in, out)
	require.ErrorIs(t, json.Unmarshal([]byte(`{"O":"x"}`), &out), ErrID)
}

// TestIDOtherSpellings: one ID has one text, or two tills could talk about one object as two.
func TestIDOtherSpellings(t *testing.T) {
	good := ObjectID{0xde, 0xad, 15: 0xef}.String()
	till := TillID{0xde, 0xad, 31: 0xef}.String()
	for _, bad := range []string{"", good[1:], good + "a", strings.ToUpper(good), good + "======", " " + good, good + "\n",
		good[:25] + "\n", "\r" + good[:25], good[:12] + "\n" + good[13:], strings.Repeat("0", 26), good[:25] + "=", good[:25] + "é",
		strings.Repeat("a", 1000), till} {
		_, err := ParseObjectID(bad)
		require.ErrorIs(t, err, ErrID, "%q", bad)
		require.LessOrEqual(t, len(err.Error()), 200)
		_, err = ParseReplicaID(bad)
		require.ErrorIs(t, err, ErrID, "%q", bad)
		_, err = ParseShopID(bad)
		require.ErrorIs(t, err, ErrID, "%q", bad)
		if bad != till {
			_, err = ParseTillID(bad)
			require.ErrorIs(t, err, ErrID, "%q", bad)
		}
	}
	// The last character carries bits that the bytes do not have: only zeros are allowed there.
	same := 0
	for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
		if _, err := ParseObjectID(good[:25] + string(c)); err == nil {
			same++
		}
	}
	require.Equal(t, 8, same, "26 characters hold 130 bits, 128 count: 8 of the 32 last characters are valid")
}

func TestDeriveObjectID(t *testing.T) {
	require.Equal(t, DeriveObjectID("slot", []byte("a"), []byte("b")), DeriveObjectID("slot", []byte("a"), []byte("b")))
	seen := map[ObjectID]bool{}
	for _, id := range []ObjectID{
		DeriveObjectID("slot"), DeriveObjectID("slot", nil), DeriveObjectID("slot", nil, nil), DeriveObjectID("other"),
		DeriveObjectID("slot", []byte("a"), []byte("b")), DeriveObjectID("slot", []byte("ab")), DeriveObjectID("slot", []byte("ab"), nil),
		DeriveObjectID("slot", []byte("b"), []byte("a")),
	} {
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Equal(t, "enfedpi77oxy5b4p45zuvr4coy", DeriveObjectID("slot", []byte("a"), []byte("b")).String())
}

func TestNextBoot(t *testing.T) {
	const now = BootEpoch + 217_382_912
	require.EqualValues(t, 217_382_912, NextBoot(0, now))
	require.EqualValues(t, 217_382_913, NextBoot(217_382_912, now), "two starts within one second")
	require.EqualValues(t, 300_000_001, NextBoot(300_000_000, now), "a clock that went back")
	require.EqualValues(t, 1, NextBoot(0, 0), "a clock before 2020")
	require.EqualValues(t, 1, NextBoot(0, math.MinInt64))
	require.EqualValues(t, 6, NextBoot(5, math.MaxInt64), "a clock beyond all years must not use up the numbers")
	require.EqualValues(t, 6, NextBoot(5, BootEpoch+1<<32-2))
	r := random(t)
	for range 1000 {
		last, unix := r.Uint32N(1<<31), r.Int64()>>r.IntN(64)
		require.Greater(t, NextBoot(last, unix), last)
	}
}

func TestSeq(t *testing.T) {
	s := NewSeq(217382912, 7)
	require.Equal(t, "217382912.7", s.String())
	require.EqualValues(t, 217382912, s.Boot())
	require.EqualValues(t, 7, s.K())
	require.Less(t, NewSeq(1, math.MaxUint32), NewSeq(2, 0))
	require.Negative(t, Dot{ReplicaID{1}, 9}.Compare(Dot{ReplicaID{2}, 1}))
	require.Negative(t, Dot{ReplicaID{1}, 1}.Compare(Dot{ReplicaID{1}, 9}))
	require.Zero(t, Dot{ReplicaID{1}, 9}.Compare(Dot{ReplicaID{1}, 9}))
}
