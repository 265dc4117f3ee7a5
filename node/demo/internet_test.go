package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// standIn is a stand-in for the cloud, which gives back what comes.
func standIn(t *testing.T) netip.AddrPort {
	t.Helper()
	cloud, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e := &echo{sources: make(chan netip.Addr, 16)}
	var tasks sync.WaitGroup
	tasks.Go(func() { e.serve(cloud, &tasks) })
	t.Cleanup(func() {
		require.NoError(t, cloud.Close())
		tasks.Wait()
	})
	return netip.MustParseAddrPort(cloud.Addr().String())
}

// wayTo carries to a target.
func wayTo(t *testing.T, target netip.AddrPort) *internet {
	t.Helper()
	way, err := openInternet(netip.MustParseAddrPort("127.0.0.1:0"), target)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if err := way.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		tasks.Wait()
	})
	return way
}

func (i *internet) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", i.listener.Addr().String(), soon)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// leadsNowhere reports whether a connection comes to nothing; a reset may be faster than the end of the dial.
func (i *internet) leadsNowhere() bool {
	c, err := net.DialTimeout("tcp", i.listener.Addr().String(), soon)
	if err != nil {
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	defer func() { _ = c.Close() }()
	err = errors.Join(c.SetDeadline(time.Now().Add(soon)), ping(c))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestTheInternetIsCutAndComesBack(t *testing.T) {
	way := wayTo(t, standIn(t))
	c := way.dial(t)
	require.NoError(t, ping(c))

	way.cut()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it ends at once")
	require.True(t, way.leadsNowhere())

	way.mend()
	c = way.dial(t)
	require.NoError(t, ping(c))
	tcp, ok := c.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.CloseWrite(), "one direction ends")
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the other one ends after it")
}

func TestACloudThatIsDownLooksDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.True(t, wayTo(t, netip.MustParseAddrPort(l.Addr().String())).leadsNowhere())
}
