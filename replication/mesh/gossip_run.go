package mesh

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// retryFirst and retryMost bound the wait before a membership that could not be made is tried again.
	retryFirst = time.Second
	retryMost  = 10 * time.Second
	// rejoinLeast and rejoinMost bound the wait between two rounds of joining what is missing. Nothing else heals a
	// split.
	rejoinLeast = 5 * time.Second
	rejoinMost  = 10 * time.Second
	// joinsAtOnce bounds the joins under way; each blocks up to gossipTimeout twice on a silent address.
	joinsAtOnce   = 8
	gossipTimeout = 2 * time.Second
	leaveTimeout  = time.Second
)

// takePart makes a membership and keeps it until ctx is done or this till's address changes. It returns an error only
// if the membership could not be made.
func (g *Gossip) takePart(ctx context.Context) error {
	addr, err := g.address()
	if err != nil {
		return err
	}
	logger := log.New(g.log, "", 0)
	transport, err := g.cfg.Transport(logger)
	if err != nil {
		return err
	}
	list, self, err := g.create(transport, addr, logger)
	if err != nil {
		// The library does not close the transport when it fails early; the port would stay taken for ever.
		return errors.Join(err, transport.Shutdown())
	}
	g.setState(true, self, nil)
	r := rejoiner{g: g, list: list, self: self, joining: make(map[string]bool)}
	r.run(ctx)
	// A membership that has left cannot come back; the next round makes a new one.
	if err := list.Leave(leaveTimeout); err != nil {
		g.cfg.Log.Debug("leaving was not heard by anybody", "error", err)
	}
	if err := list.Shutdown(); err != nil {
		g.cfg.Log.Warn("gossip did not end cleanly", "error", err)
	}
	r.joins.Wait()
	g.members.begin()
	return nil
}

// address returns the address to tell the others.
func (g *Gossip) address() (netip.Addr, error) {
	if g.cfg.Advertise != nil {
		if a := g.cfg.Advertise(); a.IsValid() {
			return a.Unmap(), nil
		}
		return netip.Addr{}, errNoAddress
	}
	if a := g.cfg.Bind.Addr(); a.IsValid() && !a.IsUnspecified() {
		return a.Unmap(), nil
	}
	return ownAddress()
}

// create makes the membership over a transport.
func (g *Gossip) create(
	transport memberlist.Transport, addr netip.Addr, logger *log.Logger,
) (*memberlist.Memberlist, netip.AddrPort, error) {
	port := g.cfg.Bind.Port()
	if t, ok := transport.(*gossipTransport); ok {
		port = t.port
	}
	conf := memberlist.DefaultLANConfig()
	conf.BindAddr, conf.BindPort = addr.String(), int(port)
	if g.cfg.AdvertisePort != 0 {
		port = g.cfg.AdvertisePort
	}
	self := netip.AddrPortFrom(addr, port)
	conf.AdvertiseAddr, conf.AdvertisePort = addr.String(), int(port)
	conf.Name = g.cfg.Till.String()
	conf.Label = g.cfg.Shop.String()
	conf.Keyring = g.keys
	made := make(chan struct{})
	defer close(made)
	conf.Transport = held{transport, made}
	conf.Logger = logger

	// A probe and its answer are about 300 bytes, and nearly all that an idle shop says. A silent till is found in
	// about 10 s; its links notice sooner. Who suspects waits for nobody's confirmation, and failing probes slow this
	// till's own probing to no less than half.
	conf.ProbeInterval = 3 * time.Second
	conf.ProbeTimeout = 500 * time.Millisecond
	conf.SuspicionMult = 1
	conf.AwarenessMaxMultiplier = 2
	// With the library's 4 sends of each message, in a shop of five about one message in 1,000 misses one till, which learns it
	// with the next exchange of all states, a minute later.
	conf.RetransmitMult = 8
	conf.TCPTimeout = gossipTimeout
	conf.PushPullInterval = time.Minute // the rejoin loop heals splits
	// Lets a till that died come back under another address.
	conf.DeadNodeReclaimTime = time.Second

	conf.EnableCompression = false
	conf.GossipVerifyIncoming = true
	conf.GossipVerifyOutgoing = true
	conf.RequireNodeNames = true
	for _, p := range g.cfg.Networks {
		p = p.Masked()
		conf.CIDRsAllowed = append(conf.CIDRsAllowed, net.IPNet{
			IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		})
	}
	if err := conf.IPAllowed(addr.AsSlice()); err != nil {
		return nil, self, fmt.Errorf("this till's own address is outside the networks of gossip: %w", err)
	}
	if !conf.EncryptionEnabled() {
		return nil, self, errors.New("gossip has no key: it would not be encrypted")
	}
	d := delegate{g: g, from: g.members.begin()}
	conf.Delegate, conf.Events, conf.Alive, conf.Merge, conf.Conflict = d, d, d, d, d
	list, err := memberlist.Create(conf)
	if err != nil {
		return nil, self, fmt.Errorf("start gossip at %s: %w", self, err)
	}
	return list, self, nil
}

// rejoiner joins, for ever, the tills that a membership does not see.
type rejoiner struct {
	g     *Gossip
	list  *memberlist.Memberlist
	self  netip.AddrPort
	joins sync.WaitGroup

	mu      sync.Mutex
	joining map[string]bool // addresses being joined; true if a hint came meanwhile
}

// run returns when ctx is done or this till's address changed. A till that has no address for a while keeps the
// membership it has.
func (r *rejoiner) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var hinted bool
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.g.wake:
			hinted = true
			if d := hintPause - r.g.cfg.Now().Sub(last); d > 0 { // hints may come in floods
				timer.Reset(d)
				continue
			}
		}
		if addr, err := r.g.address(); err == nil && addr != r.self.Addr() {
			r.g.cfg.Log.Info("this till has a new address", "old", r.self.Addr().String(), "new", addr.String())
			return
		}
		r.round(ctx, hinted)
		hinted, last = false, r.g.cfg.Now()
		timer.Reset(rejoinLeast + rand.N(rejoinMost-rejoinLeast))
	}
}

// round starts a join of every address that may lead to a missing till. A join that began before the network came back
// hangs; a hint that finds one makes it be tried again when it has failed.
func (r *rejoiner) round(ctx context.Context, hinted bool) {
	alive := make(map[crdt.TillID]bool)
	known := map[string]bool{r.self.String(): true}
	for _, m := range r.g.Members() {
		alive[m.Till] = true
		known[m.Addr.String()] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.g.targets() {
		if alive[t.Till] || t.Till == r.g.cfg.Till {
			continue
		}
		for _, addr := range t.Addrs[:min(len(t.Addrs), addrsPerTarget)] {
			if again, busy := r.joining[addr]; busy {
				r.joining[addr] = again || hinted
				continue
			}
			if known[addr] || len(r.joining) >= joinsAtOnce {
				continue
			}
			r.joining[addr] = false
			r.joins.Go(func() {
				joined := r.join(ctx, t.Till, addr)
				r.mu.Lock()
				again := r.joining[addr]
				delete(r.joining, addr)
				r.mu.Unlock()
				if again && !joined {
					r.g.Wake()
				}
			})
		}
	}
}

// join tries one address. The library takes one address per call, since it tries several one after another and blocks
// on each, and wants a name before it ("name/host:port"). The name is not checked against who answers; for a till that
// is not known yet it is the zero ID. A zone is left out, since the library would take the address for a name; the
// transport finds it again.
func (r *rejoiner) join(ctx context.Context, till crdt.TillID, addr string) bool {
	places, err := resolve(ctx, addr)
	for _, p := range places {
		if _, e := r.list.Join([]string{till.String() + "/" + netip.AddrPortFrom(p.Addr().WithZone(""), p.Port()).String()}); e != nil {
			err = errors.Join(err, e)
			continue
		}
		r.g.joins.Add(1)
		return true
	}
	r.g.joinsFailed.Add(1)
	r.g.cfg.Log.Debug("gossip did not reach a till", "address", addr, "error", err)
	return false
}

// resolve turns "host:port" into addresses, at most four. The library could do it, but by a way of its own that takes
// no context.
func resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	if p, err := netip.ParseAddrPort(addr); err == nil {
		return []netip.AddrPort{p}, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("address %q: port: %w", addr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, gossipTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	places := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips[:min(len(ips), 4)] {
		places = append(places, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return places, nil
}
