package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/grandcat/zeroconf"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

// Watch implements [discovery.Finder]. Each browse reports every till once. The time between two browses is 5 seconds
// while no other till is known, else 2 seconds per till (every till answers every query) within 10 and 30
// seconds, always 20 percent more or less. What it reports may be that old; forget a candidate after three times that.
func (f *Finder) Watch(ctx context.Context) <-chan discovery.Candidate {
	out := make(chan discovery.Candidate, maxCandidates)
	go func() {
		defer close(out)
		defer f.count(func(s *Stats) { s.Watching, s.WatchError = false, "" })
		w := &watch{finder: f, out: out, seen: map[crdt.TillID]time.Time{}}
		for ctx.Err() == nil {
			if err := w.round(ctx); err != nil && ctx.Err() == nil {
				f.watchFailed(err)
				pause(ctx, f.opts.Poll)
			}
		}
	}()
	return out
}

// watch is the state of one Watch. It is used by one goroutine at a time.
type watch struct {
	finder *Finder
	out    chan<- discovery.Candidate
	seen   map[crdt.TillID]time.Time // who answered in the last rounds, for the period
}

// round browses for one period, or until the interfaces in use change.
func (w *watch) round(ctx context.Context) error {
	f := w.finder
	on, err := f.inUse()
	f.count(func(s *Stats) { s.Interfaces = names(on) })
	if err != nil {
		return err
	}
	length := w.period(time.Now())
	period, endPeriod := context.WithTimeout(ctx, length)
	defer endPeriod()
	var polling sync.WaitGroup
	polling.Go(func() {
		if f.untilChanged(period, fingerprint(on), f.watchFailed) {
			endPeriod()
		}
	})
	f.count(func(s *Stats) { s.Browses++; s.Watching = true; s.WatchError = "" })
	err = w.browse(period, on)
	if err != nil {
		f.count(func(s *Stats) { s.Watching = false })
		endPeriod()
	}
	// After a browse that ended early, because of a flood or a socket that broke, the rest of its time is waited.
	<-period.Done()
	polling.Wait()
	return err
}

// browse hands out what one browse finds, at most maxCandidates.
func (w *watch) browse(period context.Context, on []discovery.Interface) error {
	ctx, stop := context.WithCancel(period)
	defer stop()
	instances, candidates := 0, 0
	return w.finder.opts.network.browse(ctx, netInterfaces(on), func(e *zeroconf.ServiceEntry) {
		if instances++; instances >= maxInstances {
			stop()
		}
		c, err := candidate(e, on, w.finder.opts.Loopback)
		if err == nil && w.finder.isSelf(c.Till) {
			return
		}
		if err != nil || candidates >= maxCandidates || !w.deliver(c) {
			w.finder.count(func(s *Stats) { s.Dropped++ })
			return
		}
		candidates++
		w.note(c.Till, c.SeenAt)
		w.finder.count(func(s *Stats) { s.Candidates++ })
	})
}

// deliver never waits for the reader: the library stands still while we do.
func (w *watch) deliver(c discovery.Candidate) bool {
	select {
	case w.out <- c:
		return true
	default:
		return false
	}
}

// note remembers that a till answered. Their number is bounded, which also bounds the period in a flood.
func (w *watch) note(till crdt.TillID, now time.Time) {
	if _, known := w.seen[till]; known || len(w.seen) < maxCandidates {
		w.seen[till] = now
	}
}

// period returns how long to browse. Tills that did not answer for three periods do not count any more.
func (w *watch) period(now time.Time) time.Duration {
	base := basePeriod(len(w.seen))
	for till, at := range w.seen {
		if now.Sub(at) > 3*base {
			delete(w.seen, till)
		}
	}
	base = basePeriod(len(w.seen))
	return base + time.Duration((2*w.finder.opts.Random()-1)*jitter*float64(base))
}

// basePeriod is the period without jitter when this many other tills are known.
func basePeriod(others int) time.Duration {
	if others == 0 {
		return alonePeriod
	}
	return min(max(minPeriod, perTill*time.Duration(others+1)), maxPeriod)
}

// candidate reads an answer. on are the interfaces browsed.
func candidate(e *zeroconf.ServiceEntry, on []discovery.Interface, loopback bool) (discovery.Candidate, error) {
	c := discovery.Candidate{Source: discovery.SourceMDNS, SeenAt: time.Now()}
	if v := field(e.Text, "v"); v != "1" {
		return c, fmt.Errorf("announcement version %q is unknown", v)
	}
	var err error
	if c.Till, err = crdt.ParseTillID(field(e.Text, "t")); err != nil {
		return c, err
	}
	if c.Shop, err = crdt.ParseShopID(field(e.Text, "s")); err != nil {
		return c, err
	}
	port, err := strconv.ParseUint(field(e.Text, "p"), 10, 16)
	if err != nil || port == 0 {
		return c, fmt.Errorf("announced port %q is not a port", field(e.Text, "p"))
	}
	addrs := dialable(e.AddrIPv4, e.AddrIPv6, on, loopback)
	if len(addrs) == 0 {
		return c, errors.New("announcement without an address that can be dialled")
	}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, netip.AddrPortFrom(a, uint16(port)))
	}
	return c, nil
}

// dialable returns at most discovery.MaxAddresses addresses. Link-local IPv6 addresses come without the interface they
// belong to; only if there is nothing better they are returned, once for each interface browsed.
func dialable(v4, v6 []net.IP, on []discovery.Interface, loopback bool) []netip.Addr {
	var good, local []netip.Addr
	for _, list := range [][]net.IP{v4, v6} {
		for _, ip := range list {
			a, ok := netip.AddrFromSlice(ip)
			a = a.Unmap()
			switch {
			case !ok || a.IsUnspecified() || a.IsMulticast() || (a.IsLoopback() && !loopback):
			case a.Is6() && a.IsLinkLocalUnicast():
				for _, i := range on {
					local = append(local, a.WithZone(i.Name))
				}
			default:
				good = append(good, a)
			}
		}
	}
	if len(good) == 0 {
		good = local
	}
	return good[:min(len(good), discovery.MaxAddresses)]
}
