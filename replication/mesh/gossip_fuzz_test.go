package mesh

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// said is a connection that brings some bytes and ends.
type said struct {
	net.Conn
	rest io.Reader
}

func (s said) Read(b []byte) (int, error) { return s.rest.Read(b) }

// sealedAlike encrypts a word in the same way in every process: fuzzing has several.
func sealedAlike(t testing.TB, key, additional []byte) []byte {
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := bytes.Repeat([]byte{7}, gossipNonceSize)
	return aead.Seal(append([]byte{gossipCipher}, nonce...), nonce, []byte("hello"), additional)
}

// FuzzGossip says any bytes as a packet, as a stream and as the description of a till. Only what was made with the key of
// the shop may pass, and nothing may break.
func FuzzGossip(f *testing.F) {
	g := newGossipGuard(testShop.String(), &strangers{})
	head := []byte{gossipEncrypted, 0, 0, 0, 1 + gossipNonceSize + 5 + 16}
	packet := append(bytes.Clone(g.label), sealedAlike(f, testKey, g.shop)...)
	stream := append(append(bytes.Clone(g.label), head...), sealedAlike(f, testKey, append(bytes.Clone(head), g.shop...))...)
	f.Add(packet)
	f.Add(stream)
	f.Add(append(bytes.Clone(g.label), sealedAlike(f, freshKey, g.shop)...))
	f.Add(append(bytes.Clone(g.label), gossipEncrypted, 0xff, 0xff, 0xff, 0xff))
	f.Add(g.label[:3])
	f.Add(encodeMeta(7, 8481))
	f.Fuzz(func(t *testing.T, b []byte) {
		g := testGuard(t)
		if err := g.packet(b, nil); err == nil {
			require.Equal(t, packet, b)
			require.ErrorIs(t, g.packet(b, nil), errGossipReplayed)
		}
		conn, err := g.stream(said{rest: bytes.NewReader(b)})
		if err == nil {
			require.True(t, bytes.HasPrefix(b, stream))
			passed, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, stream, passed)
		}
		if boot, port, err := decodeMeta(b); err == nil && b[0] == metaVersion {
			require.Equal(t, b[:metaSize], encodeMeta(boot, port))
		}
	})
}
