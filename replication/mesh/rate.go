package mesh

import (
	"sync"
	"time"
)

const (
	// rateMinWrite leaves small writes out: what they measure is the price of a system call, not the network.
	rateMinWrite = 32 << 10
	// rateKnown is how much must have been written before the rate means anything: less than that can vanish into
	// the socket buffers at memory speed.
	rateKnown = 256 << 10
	// rateWindow is how many bytes the estimate looks back; above it both sums are halved.
	rateWindow = 4 << 20
)

// writeMeter estimates how fast a link takes bytes, from how long writes were blocked. The zero value knows nothing.
type writeMeter struct {
	mu struct {
		sync.Mutex
		bytes int64
		spent time.Duration
	}
}

// add records a write of n bytes that took d.
func (m *writeMeter) add(n int, d time.Duration) {
	if n < rateMinWrite || d < 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.bytes += int64(n)
	m.mu.spent += d
	for m.mu.bytes > 2*rateWindow {
		m.mu.bytes /= 2
		m.mu.spent /= 2
	}
}

// rate returns bytes per second, 0 while unknown.
func (m *writeMeter) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.bytes < rateKnown {
		return 0
	}
	// bytes is at most 2*rateWindow plus one write, so the product fits unless a single write exceeds 8 GiB.
	return m.mu.bytes * int64(time.Second) / int64(max(m.mu.spent, 1))
}
