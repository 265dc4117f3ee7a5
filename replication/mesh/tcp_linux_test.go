package mesh

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTuneSetsTheTimeoutsOfADeadPeer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	conn, err := dialFrom(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)})(context.Background(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.Equal(t, "127.0.0.9", conn.LocalAddr().(*net.TCPAddr).IP.String())
	require.NoError(t, tune(conn))
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	for option, want := range map[int]int{
		unix.TCP_USER_TIMEOUT: 6000, unix.TCP_KEEPIDLE: 5, unix.TCP_KEEPINTVL: 1, unix.TCP_NODELAY: 1,
	} {
		var got int
		var failed error
		require.NoError(t, raw.Control(func(fd uintptr) { got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) }))
		require.NoError(t, failed)
		require.Equal(t, want, got, "option %d", option)
	}
}
