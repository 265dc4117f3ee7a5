package mesh

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	// connectTimeout is enough for one lost SYN (repeated after 1 s) on a LAN.
	connectTimeout = 2 * time.Second
	// keepAlive is the silence after which the kernel asks whether the peer is still there.
	keepAlive = 5 * time.Second
	// userTimeout is how long sent bytes may stay unacknowledged before the kernel gives the connection up.
	userTimeout = 6 * time.Second
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// dialFrom returns a dialer whose connections come from the listener's own address, so that the source address of a
// till is the same in both directions; it matters where several tills share a machine.
func dialFrom(listener net.Addr) DialFunc {
	d := net.Dialer{Timeout: connectTimeout}
	if tcp, ok := listener.(*net.TCPAddr); ok && len(tcp.IP) > 0 && !tcp.IP.IsUnspecified() {
		d.LocalAddr = &net.TCPAddr{IP: tcp.IP, Zone: tcp.Zone}
	}
	return d.DialContext
}

// tune makes a dead peer show within seconds. Connections that are not TCP are left as they are.
func tune(c net.Conn) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	// The second probe follows after a second and not after another five; together with userTimeout an idle link to
	// a vanished peer ends after six to seven seconds.
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: time.Second, Count: 3})
	if err != nil {
		return fmt.Errorf("set keepalive of %s: %w", c.RemoteAddr(), err)
	}
	return setUserTimeout(tcp, userTimeout)
}
