package mesh

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Link is an authenticated, encrypted byte stream to one other till. One goroutine may read while another writes.
// It is closed by Close, by [Links.Drop], when a newer link to the same till replaces it, and when its session returns.
type Link struct {
	conn    net.Conn     // TLS
	tcp     *countedConn // below TLS
	peer    crdt.TillID
	dialled bool
	since   time.Time
	now     func() time.Time
	meter   writeMeter
	closed  atomic.Bool
	done    chan struct{}   // closed by Close
	after   <-chan struct{} // closed when the session of the link that this one replaced has ended; nil if none
	served  chan struct{}   // closed when the session of this link has ended
}

func newLink(conn net.Conn, tcp *countedConn, peer crdt.TillID, dialled bool, now func() time.Time) *Link {
	return &Link{
		conn: conn, tcp: tcp, peer: peer, dialled: dialled, since: now(), now: now,
		done: make(chan struct{}), served: make(chan struct{}),
	}
}

// Peer returns the till at the other end, computed from the key it proved to hold.
func (l *Link) Peer() crdt.TillID { return l.peer }

// Dialled reports whether this till opened the connection.
func (l *Link) Dialled() bool { return l.dialled }

// Since returns when the link was made, on the clock of the configuration.
func (l *Link) Since() time.Time { return l.since }

// LocalAddr returns this end's TCP address.
func (l *Link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// RemoteAddr returns the peer's TCP address; the port is a passing one unless Dialled.
func (l *Link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// Read reads what the peer wrote. It returns io.EOF after the peer closed and net.ErrClosed after this side did.
func (l *Link) Read(b []byte) (int, error) { return l.conn.Read(b) }

// Write sends b and blocks while the network does not take it, see SetWriteDeadline. A write that ran into its
// deadline leaves the stream unusable.
func (l *Link) Write(b []byte) (int, error) {
	start := l.now()
	n, err := l.conn.Write(b)
	l.meter.add(n, l.now().Sub(start))
	return n, err
}

// Close ends the link at once and may be called many times. It does not say goodbye on the TLS level, since that could
// block on a dead network; messages above carry their length, so a cut stream is noticed.
func (l *Link) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	close(l.done)
	return l.tcp.Close()
}

// SetDeadline bounds reads and writes, as in net.Conn.
func (l *Link) SetDeadline(t time.Time) error { return l.conn.SetDeadline(t) }

// SetReadDeadline bounds reads, as in net.Conn.
func (l *Link) SetReadDeadline(t time.Time) error { return l.conn.SetReadDeadline(t) }

// SetWriteDeadline bounds writes, as in net.Conn.
func (l *Link) SetWriteDeadline(t time.Time) error { return l.conn.SetWriteDeadline(t) }

// BytesIn returns how many bytes came in over TCP, TLS and its handshake included.
func (l *Link) BytesIn() uint64 { return l.tcp.in.Load() }

// BytesOut returns how many bytes went out over TCP, TLS and its handshake included.
func (l *Link) BytesOut() uint64 { return l.tcp.out.Load() }

// WriteRate returns how fast the link took the last few MiB of large writes (32 KiB or more), in bytes per second; 0
// means unknown, as long as less than 256 KiB went out that way. A burst that fits the socket buffers looks faster than
// the network is, so the first MiB of a transfer may overstate it. Compression pays below about 100 MB/s.
func (l *Link) WriteRate() int64 { return l.meter.rate() }

// countedConn counts the bytes of a TCP connection.
type countedConn struct {
	net.Conn
	in, out atomic.Uint64
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in.Add(uint64(n))
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.out.Add(uint64(n))
	return n, err
}
