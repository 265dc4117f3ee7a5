package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/tillmesh/tillmesh/crdt"
)

// gossipKeySize is AES-256.
const gossipKeySize = 32

// GossipConfig is what [NewGossip] needs. Fields without "optional" must be set.
type GossipConfig struct {
	Till crdt.TillID
	Shop crdt.ShopID
	// Key is the shop key, 32 bytes; OtherKeys are understood, but not used to speak (optional). See SetKeys.
	Key       []byte
	OtherKeys [][]byte
	// Boot is the number of this start, and LinkPort the TCP port of this till's links; both are told to all.
	Boot     uint32
	LinkPort uint16
	// Bind is where gossip listens, TCP and UDP. An unspecified address of either version means all of this machine, IPv4
	// and IPv6; port 0 a free one.
	Bind netip.AddrPort
	// Advertise returns the address that others are told; optional. An invalid address means: none now, ask again.
	// By default it is the bound address or, if that is unspecified, the first private IPv4 address of the machine, or an
	// IPv6 one if it has no IPv4.
	// When the answer changes, the till leaves and joins again under the new address.
	Advertise func() netip.Addr
	// AdvertisePort is the port that others are told; optional, by default the bound one.
	AdvertisePort uint16
	// Networks are the only ones that members may have addresses in; optional, none means all.
	Networks []netip.Prefix
	// Allowed refuses tills, such as revoked ones; optional. It runs under memberlist's locks: it must be quick and must
	// not call Gossip. Who holds the shop key can lie about its ID, so this is a guard and no wall.
	Allowed func(crdt.TillID) bool
	// Addresses returns where other tills may take gossip ("host:port"; mind that it is not the port of their links).
	// A target whose Till is alive already is left alone.
	Addresses func() []Target
	// Changed gets the tills alive, without this one, whenever they may have changed; optional. It runs in a goroutine
	// of its own, one call at a time, and sees the latest state only.
	Changed func([]Member)
	// Transport makes the network; optional, for tests. Its Shutdown may be called twice.
	Transport func(*log.Logger) (memberlist.Transport, error)
	Log       *slog.Logger     // optional
	Now       func() time.Time // optional
}

// GossipState says how the membership is doing.
type GossipState struct {
	// Up says that this till takes part; Addr is the address that the others are told.
	Up   bool
	Addr netip.AddrPort
	// Problem is why it is not up; it is tried again until it is.
	Problem error
	// Since is when it became so.
	Since time.Time
	// Joins and JoinsFailed count attempts at single addresses, Conflicts claims of two addresses to one till: a few
	// after a till changed its address, growing for ever when two machines share a device key.
	Joins, JoinsFailed, Conflicts uint64
	// Claims are the tills that two addresses claimed, in the order of their IDs; at most 64.
	Claims []Claim
	// Refused counts what came from the network and was not of this shop.
	Refused GossipRefusals
}

// Gossip tells which tills of the shop are alive, through memberlist. It may be late and it may be wrong; it heals
// splits by joining for ever what it cannot see. Make it with [NewGossip], then call Run.
type Gossip struct {
	cfg         GossipConfig
	keys        *memberlist.Keyring
	log         *gossipLog
	guard       *gossipGuard
	strangers   strangers
	members     members
	wake        chan struct{} // one slot
	joins       atomic.Uint64
	joinsFailed atomic.Uint64
	conflicts   atomic.Uint64

	mu struct {
		sync.Mutex
		started bool
		state   GossipState
		claimed map[crdt.TillID]netip.AddrPort // the last address that claimed a till seen elsewhere
		claims  map[crdt.TillID]Claim
	}
}

// claim notes that a till may have moved to another address. It sees all others and so joins nobody again; those who
// still believe its old address join the new one as soon as they found the old one dead.
func (g *Gossip) claim(till crdt.TillID, addr netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.claimed == nil {
		g.mu.claimed = make(map[crdt.TillID]netip.AddrPort)
	}
	g.mu.claimed[till] = addr
}

// targets returns where tills may be reached: what the configuration knows, and what was claimed.
func (g *Gossip) targets() []Target {
	list := slices.Clone(g.cfg.Addresses())
	g.mu.Lock()
	defer g.mu.Unlock()
	for till, addr := range g.mu.claimed {
		list = append(list, Target{Till: till, Addrs: []string{addr.String()}})
	}
	return list
}

// settle forgets what was claimed of a till that is seen where it claimed to be.
func (g *Gossip) settle(till crdt.TillID, addr netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.claimed[till] == addr {
		delete(g.mu.claimed, till)
	}
}

// NewGossip checks the configuration. Nothing happens before Run.
func NewGossip(cfg GossipConfig) (*Gossip, error) {
	switch {
	case cfg.Till.IsZero():
		return nil, errors.New("gossip: Till is not set")
	case cfg.Shop.IsZero():
		return nil, errors.New("gossip: Shop is not set")
	case cfg.Addresses == nil:
		return nil, errors.New("gossip: Addresses is not set")
	case cfg.LinkPort == 0:
		return nil, errors.New("gossip: LinkPort is not set")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Gossip{
		cfg:     cfg,
		keys:    &memberlist.Keyring{},
		log:     &gossipLog{log: cfg.Log, now: cfg.Now, kinds: make(map[string]*logKind)},
		members: members{changed: make(chan struct{}, 1), table: make(map[crdt.TillID]Member)},
		wake:    make(chan struct{}, 1),
	}
	g.guard = newGossipGuard(cfg.Shop.String(), &g.strangers)
	if cfg.Transport == nil {
		g.cfg.Transport = func(l *log.Logger) (memberlist.Transport, error) { return listenGossip(cfg.Bind, g.guard, l) }
	}
	if err := g.SetKeys(cfg.Key, cfg.OtherKeys...); err != nil {
		return nil, err
	}
	return g, nil
}

// SetKeys makes primary the key to speak with and others the keys that are understood besides; every other key is
// forgotten at once. Tills that lack primary are cut off until they get it, over their link.
func (g *Gossip) SetKeys(primary []byte, others ...[]byte) error {
	keep := append([][]byte{primary}, others...)
	for i, key := range keep {
		if len(key) != gossipKeySize {
			return fmt.Errorf("gossip key %d has %d bytes, want %d", i, len(key), gossipKeySize)
		}
		keep[i] = bytes.Clone(key)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range keep {
		if err := g.keys.AddKey(key); err != nil {
			return fmt.Errorf("add gossip key: %w", err)
		}
	}
	// The keyring removes in place what readers may be walking through, except at its end. Using every key that
	// stays, the primary one last, moves those that go to the end.
	for _, key := range slices.Backward(keep) {
		if err := g.keys.UseKey(key); err != nil {
			return fmt.Errorf("use gossip key: %w", err)
		}
	}
	stays := func(key []byte) bool {
		return slices.ContainsFunc(keep, func(k []byte) bool { return bytes.Equal(k, key) })
	}
	for _, key := range slices.Backward(slices.Clone(g.keys.GetKeys())) {
		if stays(key) {
			continue
		}
		if err := g.keys.RemoveKey(key); err != nil {
			return fmt.Errorf("remove gossip key: %w", err)
		}
	}
	return g.guard.setKeys(keep)
}

// Members returns the tills alive, without this one, in the order of their IDs.
func (g *Gossip) Members() []Member { return g.members.all() }

// State returns how the membership is doing.
func (g *Gossip) State() GossipState {
	g.mu.Lock()
	st := g.mu.state
	st.Claims = slices.SortedFunc(maps.Values(g.mu.claims), func(a, b Claim) int { return a.Till.Compare(b.Till) })
	g.mu.Unlock()
	st.Joins, st.JoinsFailed, st.Conflicts = g.joins.Load(), g.joinsFailed.Load(), g.conflicts.Load()
	st.Refused = g.guard.refusals()
	return st
}

// Strangers returns the addresses whose gossip was refused, the most often refused first; at most 32.
func (g *Gossip) Strangers() []Stranger { return g.strangers.all() }

// Wake says that something may have changed: the network came up, an address was found. Missing tills are joined at
// once.
func (g *Gossip) Wake() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// setState notes a change for State and the log.
func (g *Gossip) setState(up bool, addr netip.AddrPort, problem error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.mu.state
	if !was.Since.IsZero() && was.Up == up && was.Addr == addr && (was.Problem == nil) == (problem == nil) {
		g.mu.state.Problem = problem
		return
	}
	g.mu.state = GossipState{Up: up, Addr: addr, Problem: problem, Since: g.cfg.Now()}
	if up {
		g.cfg.Log.Info("gossip is up", "address", addr.String())
	} else if problem != nil {
		g.cfg.Log.Warn("gossip is not up, trying again", "error", problem)
	}
}

// Run takes part in the membership until ctx is done, then leaves it and returns nil. While it cannot take part, for
// want of a network or an address, it tries again. It runs once; a second call is an error.
func (g *Gossip) Run(ctx context.Context) error {
	g.mu.Lock()
	again := g.mu.started
	g.mu.started = true
	g.mu.Unlock()
	if again {
		return errors.New("gossip: Run was called twice")
	}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { g.report(ctx) })
	wait := retryFirst
	for ctx.Err() == nil {
		err := g.takePart(ctx)
		if err == nil {
			wait = retryFirst
			continue
		}
		g.setState(false, netip.AddrPort{}, err)
		select {
		case <-ctx.Done():
		case <-g.wake:
		case <-time.After(wait):
			wait = min(2*wait, retryMost)
		}
	}
	g.setState(false, netip.AddrPort{}, nil)
	return nil
}

// report calls Changed.
func (g *Gossip) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.members.changed:
			if g.cfg.Changed != nil {
				g.cfg.Changed(g.Members())
			}
		}
	}
}
