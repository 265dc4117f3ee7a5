package coupling

import (
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

var update = flag.Bool("update", false, "rewrite testdata: tills in shops sign the old bytes, so it is for a new heading only")

func claim(t *testing.T) (Claim, ed25519.PrivateKey) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))
	c := Claim{Host: "cloud.example", Account: crdt.ObjectID{1}, Shop: crdt.ShopID{2}, Till: crdt.TillIDOf(key.Public().(ed25519.PublicKey)), Name: "Kasse 1"}
	copy(c.Nonce[:], strings.Repeat("n", NonceSize))
	copy(c.Cloud[:], strings.Repeat("c", 32))
	return c, key
}

// Tills that were shipped sign these bytes.
func TestTheSignedTextIsAsPinned(t *testing.T) {
	c, key := claim(t)
	text, err := c.Text()
	require.NoError(t, err)
	signature, err := c.Sign(key)
	require.NoError(t, err)
	got := hex.EncodeToString(text) + "\n" + hex.EncodeToString(signature) + "\n"
	file := filepath.Join("testdata", "text.golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestEveryMemberIsSigned(t *testing.T) {
	c, key := claim(t)
	signature, err := c.Sign(key)
	require.NoError(t, err)
	public := key.Public().(ed25519.PublicKey)
	require.NoError(t, c.Verify(public, signature))
	for name, change := range map[string]func(*Claim){
		"nonce": func(c *Claim) { c.Nonce[31]++ }, "cloud": func(c *Claim) { c.Cloud[0]++ }, "host": func(c *Claim) { c.Host = "x" },
		"account": func(c *Claim) { c.Account[0]++ }, "shop": func(c *Claim) { c.Shop[0]++ }, "till": func(c *Claim) { c.Till[0]++ },
		"name": func(c *Claim) { c.Name += "x" }, "host and name": func(c *Claim) { c.Host, c.Name = c.Host+c.Name, "" },
		"too long": func(c *Claim) { c.Name = strings.Repeat("x", MaxName+1) }, "no text": func(c *Claim) { c.Host = "\xff" },
	} {
		other := c
		change(&other)
		require.ErrorIs(t, other.Verify(public, signature), ErrProof, name)
	}
	require.ErrorIs(t, c.Verify(nil, signature), ErrProof)
	require.ErrorIs(t, c.Verify(public, nil), ErrProof)
}

func TestCodes(t *testing.T) {
	require.Equal(t, "00000000", NewCode([5]byte{}))
	require.Equal(t, "ZZZZZZZZ", NewCode([5]byte{255, 255, 255, 255, 255}))
	require.Equal(t, "7K3M-9QXA", ShowCode("7K3M9QXA"))
	for typed, want := range map[string]string{"7k3m-9qxa": "7K3M9QXA", " 7K3M 9QXA ": "7K3M9QXA", "oOiIlL01": "00111101"} {
		code, ok := ParseCode(typed)
		require.True(t, ok, typed)
		require.Equal(t, want, code)
	}
	for _, bad := range []string{"", "7K3M9QX", "7K3M9QXAA", "7K3M9QXU", "7K3M9QX!", strings.Repeat(" ", 100), "７K3M9QXA"} {
		_, ok := ParseCode(bad)
		require.False(t, ok, bad)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("7k3m-9qxa")
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := ParseCode(s)
		if !ok {
			return
		}
		again, ok := ParseCode(ShowCode(code))
		require.True(t, ok)
		require.Equal(t, code, again)
	})
}

func TestTermsNameEveryKindOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range Terms() {
		require.False(t, seen[a.Kind], a.Kind)
		seen[a.Kind] = true
		require.NotEmpty(t, a.Text)
		require.True(t, a.Read || a.Write)
	}
	require.NotEmpty(t, NotRead)
}
