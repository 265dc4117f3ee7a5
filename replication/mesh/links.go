package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Target is a till that may be reached, and where it may be, best address first ("host:port"). With a zero Till the
// addresses are tried each on its own, and who answers is learnt from its key. Addresses beyond the first 16 are
// ignored: discovery can be flooded.
type Target struct {
	Till  crdt.TillID
	Addrs []string
}

// LinksConfig is what [NewLinks] needs. Fields without "optional" must be set.
type LinksConfig struct {
	Identity *Identity
	Shop     crdt.ShopID
	// Listener takes links and pairing connections. Run closes it.
	Listener net.Listener
	// Allowed says whether a till of this ID may have a link. It is asked for every connection of either direction,
	// with a lock held: it must be quick, must not call Links, and takes no lock that is held while Links is called.
	Allowed func(crdt.TillID) bool
	// Former says of a till that is not allowed whether it once was of the shop, so that its refusal is counted apart and a
	// caller that proved its key is told why; optional, asked like Allowed.
	Former func(crdt.TillID) bool
	// ToldRemoved gets the till of the shop that refused a link because this till was removed from it; optional. It is
	// called at every such refusal, in the goroutine of the dial: it must be quick. Others may say something else.
	ToldRemoved func(by crdt.TillID)
	// Addresses returns whom to link to and where they may be. It is asked at every change and every 5 s at least.
	Addresses func() []Target
	// Serve runs the session of a link; the link is closed when it returns. ctx is done when the link was closed on
	// this side. Two sessions with the same till never run at once: a replaced one must return before the next begins.
	Serve func(ctx context.Context, l *Link) error
	// Pair handles a pairing connection from any key; optional, nil refuses them. conn is a *tls.Conn and is closed
	// when Pair returns; it and ctx end after 7 minutes. At most 12 calls run at once, 3 of one address.
	Pair func(ctx context.Context, conn net.Conn, peer crdt.TillID)
	// Dial opens connections; optional, by default from the listener's own address.
	Dial DialFunc
	// Log takes what happens; optional.
	Log *slog.Logger
	// Now is the clock, with its monotonic part; optional.
	Now func() time.Time
}

// Links keeps at most one link to every other till. Make it with [NewLinks], then call Run.
type Links struct {
	cfg       LinksConfig
	stats     linkCounters
	wake      chan struct{} // one slot: the plan of dials is to be looked at
	tasks     sync.WaitGroup
	gate      gate
	strangers strangers
	pairGate  gate
	pairRate  *rate.Limiter
	unproven  *rate.Limiter // dials of addresses that never led to a till of the shop

	mu struct {
		sync.Mutex
		started, stopped bool
		links            map[crdt.TillID]*Link
		places           map[string]*place
		strangers        int                 // attempts under way at addresses whose till is not known
		proven           map[string]struct{} // addresses that led to a link
		results          map[string]DialResult
	}
}

// NewLinks checks the configuration. Nothing happens before Run.
func NewLinks(cfg LinksConfig) (*Links, error) {
	missing := map[string]bool{
		"Identity": cfg.Identity == nil, "Shop": cfg.Shop.IsZero(), "Listener": cfg.Listener == nil,
		"Allowed": cfg.Allowed == nil, "Addresses": cfg.Addresses == nil, "Serve": cfg.Serve == nil,
	}
	for _, name := range []string{"Identity", "Shop", "Listener", "Allowed", "Addresses", "Serve"} {
		if missing[name] {
			return nil, fmt.Errorf("links between tills: %s is not set", name)
		}
	}
	if cfg.Dial == nil {
		cfg.Dial = dialFrom(cfg.Listener.Addr())
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Links{
		cfg:      cfg,
		wake:     make(chan struct{}, 1),
		gate:     gate{most: handshakesAtOnce, perSource: handshakesPerSource, perSecond: callsPerSecond},
		pairGate: gate{most: pairAtOnce, perSource: pairPerSource},
		pairRate: rate.NewLimiter(rate.Every(pairEvery), pairBurst),
		unproven: rate.NewLimiter(unprovenDials, unprovenBurst),
	}
	s.mu.links = make(map[crdt.TillID]*Link)
	s.mu.places = make(map[string]*place)
	s.mu.proven, s.mu.results = make(map[string]struct{}), make(map[string]DialResult)
	return s, nil
}

// Run keeps the links until ctx is done, then closes them and returns nil after every session has returned. An error
// means that the listener broke or that Run was called before; a Links runs once.
func (s *Links) Run(ctx context.Context) error {
	s.mu.Lock()
	again := s.mu.started
	s.mu.started = true
	s.mu.Unlock()
	if again {
		return errors.New("links between tills: Run was called twice")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.acceptAll(ctx) })
	g.Go(func() error { s.dialForEver(ctx); return nil })
	g.Go(func() error { <-ctx.Done(); s.stop(); return nil })
	err := g.Wait()
	s.tasks.Wait()
	return err
}

// stop closes everything and lets nothing new in.
func (s *Links) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.stopped = true
	for _, l := range s.mu.links {
		s.discard(l)
	}
}

// Wake says that something may have changed for every till: the network came up, addresses were found. All waiting
// dials are made at once.
func (s *Links) Wake() { s.hint(func(*place) bool { return true }) }

// WakeTill says that this till was seen just now; it is dialled at once if there is no link to it.
func (s *Links) WakeTill(till crdt.TillID) {
	s.hint(func(p *place) bool { return p.till == till || p.leadsTo == till })
}

// Drop closes the link to a till, if there is one. It is dialled and let in again unless Allowed says otherwise.
func (s *Links) Drop(till crdt.TillID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.mu.links[till]; l != nil {
		s.discard(l)
	}
}

// Recheck closes the links whose till is no longer Allowed, and dials those that now are. Call it after the roster
// changed; a connection that was being made meanwhile is caught, too.
func (s *Links) Recheck() {
	s.mu.Lock()
	for till, l := range s.mu.links {
		if !s.cfg.Allowed(till) {
			s.cfg.Log.Info("link closed, the till is no longer in the roster", "till", till.Short())
			s.discard(l)
		}
	}
	s.mu.Unlock()
	s.Wake()
}

// All returns the links there are, in the order of their tills.
func (s *Links) All() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Link, 0, len(s.mu.links))
	for _, l := range s.mu.links {
		if !l.closed.Load() {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *Link) int { return a.peer.Compare(b.peer) })
	return all
}

// Stats returns the counters.
func (s *Links) Stats() LinkStats {
	st := s.stats.read()
	st.Links = len(s.All())
	return st
}

// Strangers returns the addresses whose connections were refused, the most often refused first; at most 32. A till that
// had a link already is none.
func (s *Links) Strangers() []Stranger { return s.strangers.all() }

// signal lets the dial loop look at its plan.
func (s *Links) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// check is the roster's answer about a peer, as the error that ends its handshake.
func (s *Links) check(peer crdt.TillID) error {
	if s.cfg.Allowed(peer) {
		return nil
	}
	if s.cfg.Former != nil && s.cfg.Former(peer) {
		return fmt.Errorf("%w (%s)", errRemoved, peer.Short())
	}
	return fmt.Errorf("%w (%s)", errUnknownKey, peer.Short())
}

// discard closes a connection whose last error interests nobody but the log.
func (s *Links) discard(c interface{ Close() error }) {
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.Log.Debug("closing a connection failed", "error", err)
	}
}
