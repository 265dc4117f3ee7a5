package pairing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testRandom(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed + 1}) }

func testToken(t *testing.T, seed byte) Token {
	t.Helper()
	token, err := NewToken(testRandom(seed))
	require.NoError(t, err)
	return token
}

func testKey(seed byte) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
}

var testTime = time.Date(2026, 11, 21, 9, 30, 0, 123e6, time.UTC)

func testRequest(key ed25519.PublicKey) Request {
	return Request{DeviceKey: key, Name: "Kasse 2", Replica: [16]byte{1, 2, 3}, WallClock: testTime, Version: "0.1.0",
		Mode: "keep"}
}

func testAnswer() Answer {
	return Answer{Accepted: true, Shop: [16]byte{9, 8, 7}, ShopName: "Café Süd", ShopKey: [32]byte{5, 6}, Admission: [][]byte{{1, 2, 3}, {4}},
		Peers: []string{"192.0.2.1:8481", "[2001:db8::1]:8481"}, LinkPort: 8481}
}

// shop is an inviting till with a clock that the test moves, and what it admitted.
type shop struct {
	*Invitations
	key    ed25519.PublicKey
	answer Answer
	fail   error

	mu       sync.Mutex
	now      time.Time
	admitted []string // device keys, in the order of the calls of admit
}

func newShop() *shop {
	s := &shop{key: testKey(100), answer: testAnswer(), now: testTime}
	s.Invitations = NewInvitations(testRandom(0), func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	})
	return s
}

func (s *shop) sleep(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *shop) admit(_ context.Context, req Request) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted = append(s.admitted, string(req.DeviceKey))
	return s.answer, s.fail
}

func (s *shop) issue(t *testing.T) Token {
	t.Helper()
	invitation, err := s.Issue()
	require.NoError(t, err)
	return invitation.Token
}

// meeting is one connection between a new till and the shop, and how it ended on both sides.
type meeting struct {
	joiner, inviter         net.Conn
	inviterSees, joinerSees ed25519.PublicKey // the peer's key; unset means the true one
	keep                    Keep

	req                Request
	answer             Answer
	kept               bool
	joinErr, acceptErr error
}

// meet runs Join and Accept over a pipe, or over the connections of m, until both are over.
func (s *shop) meet(t *testing.T, key ed25519.PublicKey, token Token, m meeting) meeting {
	t.Helper()
	if m.joiner == nil {
		m.joiner, m.inviter = net.Pipe()
	}
	if m.inviterSees == nil {
		m.inviterSees, m.joinerSees = key, s.key
	}
	keep := m.keep
	if keep == nil {
		keep = func(context.Context, Answer) error { return nil }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer m.inviter.Close()
		m.req, m.acceptErr = s.Accept(t.Context(), Channel{Conn: m.inviter, Self: s.key, Peer: m.inviterSees}, s.admit)
	}()
	m.answer, m.joinErr = Join(t.Context(), testRandom(1), Channel{Conn: m.joiner, Self: key, Peer: m.joinerSees}, token, testRequest(nil),
		func(ctx context.Context, answer Answer) error {
			err := keep(ctx, answer)
			m.kept = err == nil
			return err
		})
	m.joiner.Close()
	<-done
	return m
}

func (m meeting) requireAdmitted(t *testing.T) {
	t.Helper()
	require.NoError(t, m.joinErr)
	require.NoError(t, m.acceptErr)
	require.True(t, m.kept)
	require.Equal(t, testAnswer(), m.answer)
	require.Equal(t, "Kasse 2", m.req.Name)
}

// recorded writes what passes to a buffer.
type recorded struct {
	net.Conn
	sent *bytes.Buffer
}

func (r recorded) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}
