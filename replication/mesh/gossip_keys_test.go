package mesh

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func secret(n int) (key [gossipKeySize]byte) {
	for i := range key {
		key[i] = byte(n)
	}
	return key
}

func TestARevocationMakesAFreshKeyAndTheOldOneGoesAtOnce(t *testing.T) {
	shop := NewGossipKeys(secret(1))
	require.Equal(t, GossipKey{0, secret(1)}, shop.Primary())
	require.False(t, shop.Stale(0))
	require.True(t, shop.Stale(1))

	after := shop.Rotated(1, secret(2))
	require.Equal(t, []GossipKey{{1, secret(2)}}, after.All())
	require.False(t, after.Stale(1))
	require.Equal(t, after, after.Merge(shop), "the old one does not come back")
	require.Equal(t, []GossipKey{{0, secret(1)}}, shop.All(), "a value does not change")

	primary, others := after.Secrets()
	key := secret(2)
	require.Equal(t, key[:], primary)
	require.Empty(t, others)
}

func TestTwoTillsThatRevokeAtTheSameMomentAgree(t *testing.T) {
	shop := NewGossipKeys(secret(1))
	a, b := shop.Rotated(1, secret(2)), shop.Rotated(1, secret(3))
	require.Equal(t, a.Merge(b), b.Merge(a))
	require.Len(t, a.Merge(b).All(), 2, "both are understood")
	primary, others := a.Merge(b).Secrets()
	require.Len(t, others, 1)
	require.NotEqual(t, primary, others[0])
	// The two revoked tills each hold one of them; both tills hear of the other revocation and so of two.
	require.True(t, a.Merge(b).Stale(2))
	require.Len(t, a.Merge(b).Rotated(2, secret(4)).All(), 1)
}

func TestAPeerCannotPushOutTheKeyWithARevocationNobodyHeardOf(t *testing.T) {
	ours := NewGossipKeys(secret(1)).Rotated(1, secret(2))
	lie := NewGossipKeys(secret(1)).Rotated(1<<31, secret(9))
	require.Equal(t, ours, ours.Merge(lie.Within(1)))
	require.True(t, lie.Within(1).IsZero())
	require.Equal(t, GossipKey{}, lie.Within(1).Primary())
	require.Equal(t, lie, ours.Merge(lie.Within(1<<31)))
	require.True(t, lie.Within(1<<31).Equal(lie))
}

func TestMergeIsASemilattice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	some := func() (k GossipKeys) {
		for range random.IntN(12) {
			k = k.Merge(GossipKeys{}.Rotated(uint32(random.IntN(3)), secret(1+random.IntN(60))))
		}
		return k
	}
	for range 2000 {
		a, b, c := some(), some(), some()
		require.True(t, a.Merge(b).Equal(b.Merge(a)))
		require.True(t, a.Merge(a).Equal(a))
		require.True(t, a.Merge(b).Merge(c).Equal(a.Merge(b.Merge(c))))
		require.LessOrEqual(t, len(a.Merge(b).Merge(c).All()), MaxGossipKeys)
	}
}

func TestGossipKeysBytes(t *testing.T) {
	keys := NewGossipKeys(secret(1)).Rotated(2, secret(2)).Rotated(2, secret(3))
	golden, err := os.ReadFile("testdata/gossip_keys_v1.hex")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(golden)), hex.EncodeToString(keys.Encode()))
	back, err := DecodeGossipKeys(keys.Encode())
	require.NoError(t, err)
	require.True(t, keys.Equal(back))

	var full GossipKeys
	for n := range 2 * MaxGossipKeys {
		full = full.Rotated(1<<32-1, secret(1+n))
	}
	require.Len(t, full.All(), MaxGossipKeys)
	require.LessOrEqual(t, len(full.Encode()), MaxGossipKeysBytes)

	later := append([]byte{0x93, 2}, keys.Encode()[2:]...) // version 2 appends a field
	back, err = DecodeGossipKeys(append(later, 7))
	require.NoError(t, err)
	require.True(t, keys.Equal(back))
}

func TestBrokenGossipKeysAreRefused(t *testing.T) {
	good := NewGossipKeys(secret(1)).Rotated(2, secret(2)).Encode()
	for name, b := range map[string][]byte{
		"nothing":   nil,
		"empty set": {0x92, 1, 0x90},
		"version 0": append([]byte{0x92, 0}, good[2:]...),
		"truncated": good[:len(good)-1],
		"trailing":  append(append([]byte(nil), good...), 0),
		"too many":  {0x92, 1, 0xdc, 0xff, 0xff},
		"huge":      make([]byte, MaxGossipKeysBytes+1),
		"short key": {0x92, 1, 0x91, 0x92, 1, 0xc4, 1, 7},
		"zero key":  append([]byte{0x92, 1, 0x91, 0x92, 1, 0xc4, 32}, make([]byte, 32)...),
	} {
		_, err := DecodeGossipKeys(b)
		require.ErrorIs(t, err, ErrGossipKeys, name)
	}
}

func FuzzDecodeGossipKeys(f *testing.F) {
	f.Add(NewGossipKeys(secret(1)).Encode())
	f.Add(NewGossipKeys(secret(1)).Rotated(2, secret(2)).Rotated(2, secret(3)).Encode())
	f.Add([]byte{0x92, 1, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := DecodeGossipKeys(b)
		if err != nil {
			require.ErrorIs(t, err, ErrGossipKeys)
			return
		}
		require.False(t, keys.IsZero())
		back, err := DecodeGossipKeys(keys.Encode())
		require.NoError(t, err)
		require.True(t, keys.Equal(back))
	})
}
