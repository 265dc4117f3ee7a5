package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Reach says how an address answered a probe.
type Reach string

// The answers to a probe.
const (
	Reachable   Reach = "reachable"   // something accepts connections there
	Refused     Reach = "refused"     // the machine is there, nothing listens on the port
	TimedOut    Reach = "timeout"     // no answer: switched off, cable pulled, firewall, isolated Wi-Fi client
	Unreachable Reach = "unreachable" // this machine has no way there, or the way failed; see Err
)

// ProbeResult is what became of one address.
type ProbeResult struct {
	Addr  netip.AddrPort
	Reach Reach
	Took  time.Duration
	Err   error // nil only if Reachable
}

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// ProbeOptions bounds a probe. The zero value is usable.
type ProbeOptions struct {
	Parallel int           // connections opened at the same time; 0 means 8
	Timeout  time.Duration // per address; 0 means 2 seconds
}

// Probe opens a TCP connection to each address, closes it at once, and reports what happened, in the order given. It
// sends nothing. When ctx ends early the rest is reported as timed out or unreachable with the error of ctx.
func Probe(ctx context.Context, addrs []netip.AddrPort, dial DialFunc, o ProbeOptions) []ProbeResult {
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	out := make([]ProbeResult, len(addrs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(o.Parallel, len(addrs)) {
		wg.Go(func() {
			for i := range next {
				out[i] = probe(ctx, addrs[i], dial, o.Timeout)
			}
		})
	}
	for i := range addrs {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

func probe(ctx context.Context, addr netip.AddrPort, dial DialFunc, timeout time.Duration) ProbeResult {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	conn, err := dial(ctx, "tcp", addr.String())
	r := ProbeResult{Addr: addr, Reach: Reachable, Took: time.Since(start), Err: err}
	var slow net.Error
	switch {
	case err == nil:
		// Whether closing succeeds says nothing about the address: it was reached.
		_ = conn.Close()
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Reach = Refused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		r.Reach = TimedOut
	default:
		r.Reach = Unreachable
	}
	return r
}
