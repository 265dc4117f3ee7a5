package pairing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cut closes the connection after left bytes were written.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	c.left = 0
	if err != nil {
		return n, err
	}
	return n, c.Conn.Close()
}

// The connection is cut after every number of bytes, in each direction. Whatever happens, a till that has kept the shop is
// admitted, and the same till ends as a member when it comes again with the same token; no other does once it was admitted.
func TestCutAtEveryByte(t *testing.T) {
	whole := newShop()
	joiner, inviter := net.Pipe()
	var up, down bytes.Buffer
	whole.meet(t, testKey(1), whole.issue(t), meeting{joiner: recorded{joiner, &up}, inviter: recorded{inviter, &down}}).requireAdmitted(t)

	for direction, size := range map[string]int{"up": up.Len(), "down": down.Len()} {
		for left := range size {
			s := newShop()
			token := s.issue(t)
			m := meeting{}
			m.joiner, m.inviter = net.Pipe()
			if direction == "up" {
				m.joiner = &cut{m.joiner, left}
			} else {
				m.inviter = &cut{m.inviter, left}
			}
			m = s.meet(t, testKey(1), token, m)
			require.Error(t, m.acceptErr, "%s %d", direction, left)
			if m.kept {
				require.Len(t, s.admitted, 1)
			} else {
				require.ErrorIs(t, m.joinErr, ErrHungUp, "%s %d", direction, left)
			}
			if len(s.admitted) > 0 {
				require.ErrorIs(t, m.acceptErr, ErrUnconfirmed)
				require.ErrorIs(t, s.meet(t, testKey(2), token, meeting{}).joinErr, ErrUsed)
			} else {
				require.ErrorIs(t, m.acceptErr, ErrHungUp)
				require.Equal(t, 1, s.Open())
			}
			require.Empty(t, s.failures, "a cut is no wrong attempt")
			s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
		}
	}
}

// against sends raw bytes to Accept, drops what comes back, hangs up, and returns Accept's error.
func (s *shop) against(t *testing.T, key ed25519.PublicKey, raw []byte) error {
	t.Helper()
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { drain(near) })
	wg.Go(func() {
		defer near.Close()
		_, _ = near.Write(raw) // refused half way is part of the test
	})
	_, err := s.Accept(t.Context(), Channel{Conn: far, Self: s.key, Peer: key}, s.admit)
	far.Close()
	wg.Wait()
	return err
}

func drain(conn net.Conn) {
	b := make([]byte, 1024)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

func TestGarbageIsRefused(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	for name, raw := range map[string][]byte{
		"http":        []byte("GET / HTTP/1.1\r\nHost: till\r\n\r\n"),
		"zeros":       make([]byte, 100),
		"huge length": {1, 1, 0xff, 0xff, 0},
		"short hello": {1, 1, 0, 3, 1, 2, 3},
	} {
		require.ErrorIs(t, s.against(t, testKey(1), raw), ErrMalformed, name)
	}
	require.ErrorIs(t, s.against(t, testKey(1), []byte{2, 1, 0, 1, 7}), ErrVersion)
	require.ErrorIs(t, s.against(t, testKey(1), []byte{1, 2, 0, 0}), ErrVersion)
	require.ErrorIs(t, s.against(t, testKey(1), nil), ErrHungUp)
	require.Empty(t, s.failures)

	for name, frame := range map[string][]byte{
		"huge frame":  binary.BigEndian.AppendUint16(nil, 0xffff),
		"empty frame": {0, 0},
	} {
		raw := append(firstMessage(t, s, token), frame...)
		require.ErrorIs(t, s.against(t, testKey(1), raw), ErrMalformed, name)
	}
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
}

func firstMessage(t *testing.T, s *shop, token Token) []byte {
	t.Helper()
	psk, id, err := token.keys()
	require.NoError(t, err)
	hs, err := newHandshake(true, psk, id, testKey(1), s.key, testRandom(3))
	require.NoError(t, err)
	first, _, _, err := hs.WriteMessage(nil, nil)
	require.NoError(t, err)
	body := hello{id: id, noise: [noiseMessage]byte(first)}.encode()
	return append(head{version: protocolVersion, what: methodToken, length: helloBody}.encode(), body...)
}

func TestBadRepliesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		reply []byte
		want  error
	}{
		"other version":  {[]byte{7, statusVersion, 0, 0}, ErrVersion},
		"no tokens":      {[]byte{1, statusMethod, 0, 0}, ErrVersion},
		"unknown status": {[]byte{1, 99, 0, 0}, ErrMalformed},
		"short go":       {[]byte{1, statusGo, 0, 1, 0}, ErrMalformed},
		"huge":           {[]byte{1, statusGo, 0xff, 0xff}, ErrMalformed},
		"knows nothing":  {append([]byte{1, statusGo, 0, noiseMessage, 9}, make([]byte, noiseMessage-1)...), ErrWrongToken},
	} {
		near, far := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			defer near.Close()
			if _, _, err := readHead(near); err == nil {
				_, _ = near.Write(c.reply) // refused half way is part of the test
			}
		})
		_, err := Join(t.Context(), testRandom(1), Channel{Conn: far, Self: testKey(1), Peer: testKey(2)}, testToken(t, 1), testRequest(nil), nil)
		far.Close()
		wg.Wait()
		require.ErrorIs(t, err, c.want, name)
	}
}
