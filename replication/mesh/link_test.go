package mesh

import (
	"crypto/ed25519"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

// slowPipe takes bytes at a rate by moving a clock; the first free ones cost nothing, like a socket buffer.
type slowPipe struct {
	net.Conn
	clock *testClock
	rate  int64
	free  int
}

func (p *slowPipe) Write(b []byte) (int, error) {
	paid := max(len(b)-p.free, 0)
	p.free -= len(b) - paid
	p.clock.step(time.Duration(int64(paid) * int64(time.Second) / p.rate))
	return len(b), nil
}

func TestWriteRateFollowsThePipe(t *testing.T) {
	clock := &testClock{now: time.Unix(0, 0)}
	pipe := &slowPipe{clock: clock, rate: 10 << 20, free: 512 << 10}
	l := newLink(pipe, &countedConn{Conn: pipe}, crdt.TillID{}, true, clock.Now)
	write := func(size, total int) {
		for range total / size {
			_, err := l.Write(make([]byte, size))
			require.NoError(t, err)
		}
	}
	require.Zero(t, l.WriteRate(), "nothing is known yet")
	write(200, 1<<20)
	require.Zero(t, l.WriteRate(), "small writes say nothing")

	pipe.free = 512 << 10
	write(64<<10, 256<<10)
	require.Greater(t, l.WriteRate(), int64(100<<20), "the buffers take the first bytes at once")
	write(64<<10, 16<<20)
	require.InDelta(t, 10<<20, l.WriteRate(), 1<<20)

	pipe.rate = 200 << 20
	write(64<<10, 64<<20)
	require.InDelta(t, 200<<20, l.WriteRate(), 20<<20, "it follows a change")
}

func TestIdentity(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	id, err := NewIdentity(key)
	require.NoError(t, err)
	require.Equal(t, crdt.TillIDOf(public), id.Till())

	again, err := NewIdentity(key)
	require.NoError(t, err)
	require.Equal(t, id.certificate.Certificate, again.certificate.Certificate, "the certificate says nothing but the key")

	_, err = NewIdentity(key[:40])
	require.ErrorContains(t, err, "40 bytes")
}
