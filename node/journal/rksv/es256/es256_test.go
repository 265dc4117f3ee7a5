package es256_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// TestPublishedVector is "sample" on P-256 with SHA-256 of RFC 6979, A.2.5.
func TestPublishedVector(t *testing.T) {
	raw, err := hex.DecodeString("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
	require.NoError(t, err)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	require.NoError(t, err)
	signature, err := es256.Sign(key, []byte("sample"))
	require.NoError(t, err)
	require.Equal(t, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"+
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8", hex.EncodeToString(signature))
	require.True(t, es256.Verify(&key.PublicKey, []byte("sample"), signature))
	require.False(t, es256.Verify(&key.PublicKey, []byte("simple"), signature))
	require.False(t, es256.Verify(&key.PublicKey, []byte("sample"), signature[:63]))
	require.False(t, es256.Verify(&key.PublicKey, []byte("sample"), make([]byte, es256.Size)))
	require.False(t, es256.Verify(nil, []byte("sample"), signature))
}

func TestKeys(t *testing.T) {
	key, err := es256.NewKey(rand.Reader)
	require.NoError(t, err)
	b, err := key.Bytes()
	require.NoError(t, err)
	again, err := es256.NewKey(io.MultiReader(strings.NewReader(strings.Repeat("\xff", 32)), strings.NewReader(string(b))))
	require.NoError(t, err, "a draw that is no key is drawn again")
	require.True(t, key.Equal(again))

	_, err = es256.NewKey(strings.NewReader("short"))
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF))
	_, err = es256.NewKey(strings.NewReader(strings.Repeat("\x00", 3200)))
	require.Error(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, err = es256.Sign(other, nil)
	require.ErrorIs(t, err, es256.ErrKey)
	require.False(t, es256.Verify(&other.PublicKey, nil, make([]byte, es256.Size)))
}
