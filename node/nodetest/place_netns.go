//go:build netns

package nodetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/discovery/netlab"
)

// On returns a host of a netlab as a place. Its tills find each other by multicast. The test reaches the HTTP interface
// on the loopback device of the host, whatever happens to its network adapter.
func On(h *netlab.Host) Place {
	return Place{
		Enter:  []string{"ip", "netns", "exec", h.Namespace()},
		Listen: fmt.Sprintf(":%d", linkPort),
		HTTP:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), httpPort),
		Dial:   dialerIn(h.Namespace()),
	}
}

// Listen takes connections on a host at a TCP port, in this program.
func Listen(h *netlab.Host, port uint16) (l net.Listener, err error) {
	err = within(h.Namespace(), func() (err error) {
		l, err = net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)})
		return err
	})
	if err != nil && l != nil {
		err = errors.Join(err, l.Close())
	}
	return l, err
}

// dialerIn returns a dialer for addresses of a network namespace.
func dialerIn(namespace string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return nil, fmt.Errorf("dial in namespace %s: a name would be looked up outside: %w", namespace, err)
		}
		err = within(namespace, func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		if err != nil && conn != nil {
			err = errors.Join(err, conn.Close())
		}
		return conn, err
	}
}

// within makes a socket in a network namespace. A socket stays in the namespace that the thread was in when it was made, so
// the thread enters the namespace only for that.
func within(namespace string, open func() error) error {
	other, err := os.Open(filepath.Join("/run/netns", namespace))
	if err != nil {
		return fmt.Errorf("find namespace %s: %w", namespace, err)
	}
	defer other.Close() // only a handle
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("find the way back from namespace %s: %w", namespace, err)
	}
	defer own.Close() // only a handle
	if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", namespace, err)
	}
	err = open()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread stays locked, so it ends with this goroutine and nobody else gets it.
		return fmt.Errorf("leave namespace %s: %w", namespace, errors.Join(back, err))
	}
	runtime.UnlockOSThread()
	return err
}
