package mesh

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds how long sent bytes may stay unacknowledged; without it a write to a vanished peer hangs for
// a quarter of an hour.
func setUserTimeout(c *net.TCPConn, d time.Duration) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the socket of %s: %w", c.RemoteAddr(), err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	if err != nil {
		return fmt.Errorf("reach the socket of %s: %w", c.RemoteAddr(), err)
	}
	if set != nil {
		return fmt.Errorf("set the user timeout of %s: %w", c.RemoteAddr(), set)
	}
	return nil
}
