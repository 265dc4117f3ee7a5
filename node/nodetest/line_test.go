package nodetest_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest"
)

// heard is a server that gives back what comes, and knows how much that was.
type heard struct {
	at netip.AddrPort
	mu sync.Mutex
	n  int
}

func hear(t *testing.T) *heard {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &heard{at: netip.MustParseAddrPort(l.Addr().String())}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer func() { _ = conn.Close() }()
				b := make([]byte, 64<<10)
				for {
					n, err := conn.Read(b)
					h.mu.Lock()
					h.n += n
					h.mu.Unlock()
					if err != nil {
						return
					}
					if _, err := conn.Write(b[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return h
}

func call(t *testing.T, line *nodetest.Line) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(line.URL(), "http://"), nodetest.Patience)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(nodetest.Patience)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// says sends so many bytes and waits for as many.
func says(c net.Conn, n int) error {
	if _, err := c.Write(make([]byte, n)); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, n))
	return err
}

func TestALineLosesAnswersAfterTheyWereHeard(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	server := hear(t)
	line := nodetest.NewLine(t, netip.MustParseAddrPort(dead.Addr().String()), server.at)
	c := call(t, line)
	require.NoError(t, says(c, 64<<10), "a server that is down is passed over")

	line.Worsen(0, 1)
	require.NoError(t, says(c, 100), "what is small is no commit")
	require.Zero(t, line.Dropped())
	server.mu.Lock()
	before := server.n
	server.mu.Unlock()
	err = says(c, 8<<10)
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	require.Equal(t, 1, line.Dropped())
	server.mu.Lock()
	require.Greater(t, server.n, before, "the server heard it")
	server.mu.Unlock()

	line.Worsen(5*time.Millisecond, 0)
	c = call(t, line)
	began := time.Now()
	require.NoError(t, says(c, 100))
	require.GreaterOrEqual(t, time.Since(began), 10*time.Millisecond)
	line.Cut()
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	line.Mend()
	require.NoError(t, says(call(t, line), 100))
}
