package coupling

import (
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

var cutOff = []Revoked{{crdt.TillID{1}, 1795219200000, "gestohlen"}, {crdt.TillID{2}, 1795219300000, ""}}

func TestTheListOfRevokedTillsIsAsPinned(t *testing.T) {
	got := hex.EncodeToString(EncodeRevoked(cutOff)) + "\n"
	file := filepath.Join("testdata", "revoked.golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	list, err := DecodeRevoked(EncodeRevoked(cutOff))
	require.NoError(t, err)
	require.Equal(t, cutOff, list)
}

func TestAListThatIsTooLongIsCutAndRefused(t *testing.T) {
	long := make([]Revoked, MaxRevoked+1)
	long[0].Why = strings.Repeat("ä", maxWhy)
	list, err := DecodeRevoked(EncodeRevoked(long))
	require.NoError(t, err)
	require.Len(t, list, MaxRevoked)
	require.Len(t, list[0].Why, maxWhy)
	_, err = DecodeRevoked(codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), 1), MaxRevoked+1))
	require.ErrorIs(t, err, codec.ErrMalformed)
	_, err = DecodeRevoked(codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), 2), 0))
	require.ErrorContains(t, err, "version 2")
}

func FuzzRevoked(f *testing.F) {
	f.Add(EncodeRevoked(cutOff))
	f.Add(EncodeRevoked(nil))
	f.Add([]byte{0x92, 1, 0xdc, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodeRevoked(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(list), MaxRevoked)
		again, err := DecodeRevoked(EncodeRevoked(list))
		require.NoError(t, err)
		require.Equal(t, list, again)
	})
}

// Only the cloud that was asked can say that it took a claim, and only this one.
func TestTheCloudConfirms(t *testing.T) {
	c, till := claim(t)
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("c", 32)))
	public := key.Public().(ed25519.PublicKey)
	c.Cloud = crdt.TillIDOf(public)
	signature, err := c.Confirm(key)
	require.NoError(t, err)
	require.NoError(t, c.Confirmed(public, signature))
	other := c
	other.Nonce[0]++
	require.ErrorIs(t, other.Confirmed(public, signature), ErrCloud)
	require.ErrorIs(t, c.Confirmed(till.Public().(ed25519.PublicKey), signature), ErrCloud)
	require.ErrorIs(t, c.Confirmed(nil, signature), ErrCloud)
	claimed, err := c.Sign(key)
	require.NoError(t, err)
	require.ErrorIs(t, c.Confirmed(public, claimed), ErrCloud, "a claim is no confirmation")
	c.Host = "\xff"
	require.ErrorIs(t, c.Confirmed(public, signature), ErrCloud)
}
