package pairing

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// stranger is a new till in single steps, or somebody in between who plays one.
type stranger struct {
	*comparison
	secure
	t *testing.T
}

// knock sends the first message with the device key of that number and returns the reply's body.
func knock(t *testing.T, d *desk, conn net.Conn, key, seed byte) (*stranger, []byte) {
	t.Helper()
	random := make([]byte, seedLen)
	_, _ = testRandom(seed).Read(random)
	c, err := newComparison(true, privateKey(key), testKey(key), d.key, random)
	require.NoError(t, err)
	first, err := c.first()
	require.NoError(t, err)
	second, err := open(Channel{Conn: conn}, methodDigits, first)
	require.NoError(t, err)
	return &stranger{comparison: c, secure: secure{conn: conn}, t: t}, second
}

// commit sends the third message and returns the nonce of the till.
func (s *stranger) commit(second []byte) nonce {
	s.t.Helper()
	third, out, into, err := s.third(second)
	require.NoError(s.t, err)
	require.NoError(s.t, writeFrame(s.conn, "", third))
	s.out, s.into = out, into
	plain, err := s.receive("", maxDeclined)
	require.NoError(s.t, err)
	n, err := decodeNonce(plain, kindNonce)
	require.NoError(s.t, err)
	return n
}

func (s *stranger) reveal(n nonce, request []byte) []byte {
	s.t.Helper()
	require.NoError(s.t, s.send("", encodeNonce(kindReveal, n)))
	require.NoError(s.t, s.send("", request))
	plain, err := s.receive("", maxDeclined)
	require.NoError(s.t, err)
	return plain
}

func requestBytes(t *testing.T, key byte) []byte {
	t.Helper()
	b, err := encodeRequest(testRequest(testKey(key)))
	require.NoError(t, err)
	return b
}

// visitor starts the till's side up to the digits, and returns the other end and how it went.
func (d *desk) visitor(key byte) (net.Conn, <-chan error) {
	near, far := net.Pipe()
	went := make(chan error, 1)
	go func() {
		defer far.Close()
		v, err := d.receiveFrom(located{far, testAddress(key)}, key)
		if err == nil {
			err = d.leave(v.seat, nil)
		}
		went <- err
	}()
	return near, went
}
