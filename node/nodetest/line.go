package nodetest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	lineChunk = 16 << 10 // bytes that travel at once
	lineDial  = time.Second
	// committed is how many bytes a client must have sent for what comes then to count as the answer to a commit.
	committed = 4 << 10
)

// Line carries connections to servers, and is as bad as a test wants. A new connection goes to the next server that takes it.
// Its methods may be called from any goroutine.
type Line struct {
	listener net.Listener
	targets  []netip.AddrPort
	work     sync.WaitGroup
	stop     context.CancelFunc

	mu      sync.Mutex
	rand    *rand.Rand
	off     bool
	delay   time.Duration
	loss    float64
	owed    bool // the next answer is lost for sure
	next    int
	open    map[net.Conn]bool
	dropped int
}

// NewLine listens on an unused port of 127.0.0.1 until the test ends.
func NewLine(t testing.TB, targets ...netip.AddrPort) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return LineFrom(t, listener, targets...)
}

// LineFrom is NewLine with a listener, which it closes.
func LineFrom(t testing.TB, listener net.Listener, targets ...netip.AddrPort) *Line {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("the line at %s is drawn by seed %d", listener.Addr(), seed)
	ctx, stop := context.WithCancel(context.Background())
	l := &Line{listener: listener, targets: targets, stop: stop, rand: rand.New(rand.NewPCG(seed, 0)), open: make(map[net.Conn]bool)}
	l.work.Go(func() { l.accept(ctx) })
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		l.Cut()
		l.work.Wait()
	})
	return l
}

// URL is where clients find it.
func (l *Line) URL() string { return "http://" + l.listener.Addr().String() }

// Cut ends all connections, and every new one at once, until Mend.
func (l *Line) Cut() {
	l.mu.Lock()
	l.off = true
	for c := range l.open {
		_ = c.Close()
	}
	l.mu.Unlock()
}

// Mend ends a cut.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = false
}

// Worsen has each chunk of bytes take so long, both ways, and loses a share of the answers to what was sent: what the client said has
// arrived and was worked on when instead of the answer the connection ends. The first answer is lost whatever is drawn, so that a few show it. Zero
// and zero is a good line again.
func (l *Line) Worsen(delay time.Duration, loss float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.loss, l.owed = delay, loss, loss > 0
}

// Dropped is how many answers were lost.
func (l *Line) Dropped() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

func (l *Line) accept(ctx context.Context) {
	for {
		conn, err := l.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			select { // no file descriptors left, which passes
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		l.work.Go(func() { l.carry(ctx, conn) })
	}
}

func (l *Line) carry(ctx context.Context, client net.Conn) {
	defer l.leave(client)
	if !l.enter(client) {
		return
	}
	server := l.dial(ctx)
	if server == nil {
		return
	}
	defer l.leave(server)
	if !l.enter(server) {
		return
	}
	c := &carried{line: l}
	var back sync.WaitGroup
	back.Go(func() {
		c.copy(ctx, client, server, c.answered)
		_, _ = client.Close(), server.Close()
	})
	c.copy(ctx, server, client, c.asked)
	_, _ = client.Close(), server.Close()
	back.Wait()
}

// dial tries each server once.
func (l *Line) dial(ctx context.Context) net.Conn {
	for range l.targets {
		l.mu.Lock()
		to := l.targets[l.next%len(l.targets)]
		l.next++
		l.mu.Unlock()
		dialer := net.Dialer{Timeout: lineDial}
		if conn, err := dialer.DialContext(ctx, "tcp", to.String()); err == nil {
			return conn
		}
	}
	return nil
}

func (l *Line) enter(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.off {
		l.open[c] = true
	}
	return !l.off
}

func (l *Line) leave(c net.Conn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// carried is one connection.
type carried struct {
	line *Line
	mu   sync.Mutex
	said int // bytes from the client since the last answer
}

// asked notes what the client said.
func (c *carried) asked(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said += n
	return true
}

// answered reports whether an answer gets through.
func (c *carried) answered(int) bool {
	c.mu.Lock()
	answer := c.said >= committed
	if answer {
		c.said = 0
	}
	c.mu.Unlock()
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if !answer || !l.owed && l.rand.Float64() >= l.loss {
		return true
	}
	l.owed = false
	l.dropped++
	return false
}

// copy carries bytes one way until an end, or until pass says that what came is lost.
func (c *carried) copy(ctx context.Context, to io.Writer, from io.Reader, pass func(n int) bool) {
	buffer := make([]byte, lineChunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			c.line.mu.Lock()
			delay := c.line.delay
			c.line.mu.Unlock()
			if delay > 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(delay):
				}
			}
			if !pass(n) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
