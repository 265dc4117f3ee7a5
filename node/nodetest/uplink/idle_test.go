package uplink_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted counts what its connections carry, both ways, without headers of TCP and IP.
type counted struct {
	net.Listener
	bytes *atomic.Int64
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c.bytes}, nil
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.bytes.Add(int64(n))
	return n, err
}

// TestAnIdleUplinkSaysLittle: while nothing happens a shop and its cloud exchange no more than a till and the others of its shop may: 200 bytes a
// second. The lease, which the forwarding till renews every two seconds, is most of it.
func TestAnIdleUplinkSaysLittle(t *testing.T) {
	const window, most = 8 * time.Second, 200 // bytes a second
	c := startCloud(t, sqlite(t))
	one := found(t)
	two := one.join("Kasse 2")
	c.couple(one)
	list := append(one.sell(3), two.sell(3)...)
	one.archived(list)
	two.archived(list)
	forwarder(t, []*till{one, two})
	// What follows a sale, such as a signed checkpoint and its way to the tills, ends by itself.
	ticks := time.NewTicker(window)
	defer ticks.Stop()
	var rate float64
	for range patience / window {
		before, began := c.bytes.Load(), time.Now()
		<-ticks.C
		rate = float64(c.bytes.Load()-before) / time.Since(began).Seconds()
		t.Logf("%.0f bytes a second", rate)
		if rate <= most {
			break
		}
	}
	require.LessOrEqual(t, rate, float64(most))
	require.Positive(t, rate, "the lease is renewed")
}
