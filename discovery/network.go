package discovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Network is a LAN in memory: the finders made by it see each other, and nobody else. It is for tests and for tills
// that share one process. A candidate is delivered once when its till appears and once to each new watcher.
type Network struct {
	mu struct {
		sync.Mutex
		present  map[*networkFinder]Self
		watchers map[chan Candidate]*networkFinder
	}
}

// NewNetwork returns an empty LAN.
func NewNetwork() *Network {
	n := &Network{}
	n.mu.present = map[*networkFinder]Self{}
	n.mu.watchers = map[chan Candidate]*networkFinder{}
	return n
}

// Finder returns the connection of one till to the LAN. It announces one till at a time, and only addresses given in
// Self.Addrs. Candidates carry the source mdns.
func (n *Network) Finder() Finder { return &networkFinder{network: n} }

type networkFinder struct{ network *Network }

func (f *networkFinder) Announce(ctx context.Context, self Self) error {
	if self.Till.IsZero() || self.Port == 0 || len(self.Addrs) == 0 {
		return errors.New("announce: an in-memory network needs a till, a port and addresses")
	}
	self.Addrs = slices.Clone(self.Addrs)
	n := f.network
	n.mu.Lock()
	if _, busy := n.mu.present[f]; busy {
		n.mu.Unlock()
		return errors.New("announce: this finder already announces a till")
	}
	n.mu.present[f] = self
	for ch, owner := range n.mu.watchers {
		deliver(ch, owner, f, n.mu.present)
	}
	n.mu.Unlock()

	<-ctx.Done()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.present, f)
	return nil
}

func (f *networkFinder) Watch(ctx context.Context) <-chan Candidate {
	n := f.network
	ch := make(chan Candidate, MaxEntries)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.watchers[ch] = f
	for from := range n.mu.present {
		deliver(ch, f, from, n.mu.present)
	}
	context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.mu.watchers, ch)
		close(ch)
	})
	return ch
}

// deliver tells the owner of ch what from announces, unless they are the same till.
func deliver(ch chan<- Candidate, owner, from *networkFinder, present map[*networkFinder]Self) {
	self := present[from]
	if owner == from || self.Till == present[owner].Till {
		return
	}
	c := Candidate{Till: self.Till, Shop: self.Shop, Source: SourceMDNS, SeenAt: time.Now()}
	for _, a := range self.Addrs {
		c.Addrs = append(c.Addrs, netip.AddrPortFrom(a, self.Port))
	}
	select {
	case ch <- c:
	default: // as on a real network, a reader that does not read misses something
	}
}
