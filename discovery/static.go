package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// LookupFunc resolves a host name, as [net.Resolver.LookupNetIP] with network "ip" does.
type LookupFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

const (
	maxStaticPeers     = 64
	staticLookupWithin = 5 * time.Second
)

// Static is the [Finder] of shops whose network lets no multicast through: a list of HOST:PORT. It announces nothing.
// Names are resolved again in every round; while a name does not resolve, its last good answer is suggested.
type Static struct {
	peers  []staticPeer
	lookup LookupFunc
	every  time.Duration

	mu struct {
		sync.Mutex
		known    map[staticPeer][]netip.AddrPort
		problems map[staticPeer]error
	}
}

type staticPeer struct {
	host string
	port uint16
}

// NewStatic returns a Finder for at most 64 peers, each HOST:PORT with a name or an IP address and a port in digits.
// every is the pause between two rounds; zero means 10 seconds.
func NewStatic(peers []string, every time.Duration, lookup LookupFunc) (*Static, error) {
	if len(peers) > maxStaticPeers {
		return nil, fmt.Errorf("%d peers given, at most %d are possible", len(peers), maxStaticPeers)
	}
	if every <= 0 {
		every = 10 * time.Second
	}
	s := &Static{lookup: lookup, every: every}
	s.mu.known = map[staticPeer][]netip.AddrPort{}
	s.mu.problems = map[staticPeer]error{}
	for _, p := range peers {
		host, port, err := net.SplitHostPort(p)
		if err != nil || host == "" {
			return nil, fmt.Errorf("peer %q is not HOST:PORT, such as 192.168.1.20:8481", p)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("peer %q: the port must be a number from 1 to 65535", p)
		}
		if peer := (staticPeer{host, uint16(n)}); !slices.Contains(s.peers, peer) {
			s.peers = append(s.peers, peer)
		}
	}
	return s, nil
}

// Announce only waits for ctx: a list has nobody to tell.
func (s *Static) Announce(ctx context.Context, _ Self) error {
	<-ctx.Done()
	return nil
}

// Watch delivers the addresses of each peer, round after round.
func (s *Static) Watch(ctx context.Context) <-chan Candidate {
	out := make(chan Candidate, maxStaticPeers)
	go func() {
		defer close(out)
		for {
			s.round(ctx, out)
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.every):
			}
		}
	}()
	return out
}

// Problems returns why names did not resolve in the last round; none if all did.
func (s *Static) Problems() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []error
	for _, p := range s.peers {
		if err := s.mu.problems[p]; err != nil {
			out = append(out, err)
		}
	}
	return out
}

func (s *Static) round(ctx context.Context, out chan<- Candidate) {
	ctx, cancel := context.WithTimeout(ctx, staticLookupWithin)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range s.peers {
		wg.Go(func() {
			addrs := s.resolve(ctx, p)
			if len(addrs) == 0 {
				return
			}
			select {
			case out <- Candidate{Addrs: addrs, Source: SourceManual, SeenAt: time.Now()}:
			default: // the reader is a whole round behind; the next one comes anyway
			}
		})
	}
	wg.Wait()
}

func (s *Static) resolve(ctx context.Context, p staticPeer) []netip.AddrPort {
	if a, err := netip.ParseAddr(p.host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), p.port)}
	}
	found, err := s.lookup(ctx, "ip", p.host)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || len(found) == 0 {
		if err == nil {
			err = fmt.Errorf("the name has no address")
		}
		s.mu.problems[p] = fmt.Errorf("peer %s:%d: %w; check the name or give an IP address", p.host, p.port, err)
		return slices.Clone(s.mu.known[p])
	}
	var addrs []netip.AddrPort
	for _, a := range found[:min(len(found), MaxAddresses)] {
		addrs = append(addrs, netip.AddrPortFrom(a.Unmap(), p.port))
	}
	delete(s.mu.problems, p)
	s.mu.known[p] = addrs
	return slices.Clone(addrs)
}
