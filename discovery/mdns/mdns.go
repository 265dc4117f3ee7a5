// Package mdns finds tills on the LAN by multicast DNS (RFC 6762, RFC 6763), with the zeroconf library.
//
// The library reports a till once per browse and never tells that it left, moved or restarted; it goes deaf when a
// network adapter is replaced; and it announces for ever the addresses it was started with. So a [Finder] browses
// again and again with a fresh resolver, and replaces the server whenever an interface or an address changed.
//
// What is announced for each till:
//
//	service   _tillmesh._tcp.local, on the link port
//	instance  till-<first 20 characters of the till ID>
//	host      the same name; never the machine's, which cloned machines share
//	addresses one IPv4 and one IPv6 address per interface in use
//	TXT       v=1, t=<till ID>, s=<shop ID>, p=<link port>, r=<program version, if any>; at most 400 bytes
//
// No name given by a person is ever announced. Whatever is received may be forged, see package discovery.
package mdns

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

// ExpireAfter is a good age for [discovery.Table.Expire]: three of the longest periods between two browses.
const ExpireAfter = 108 * time.Second

const (
	service = "_tillmesh._tcp"
	domain  = "local."
)

// Limits per browse. Candidates above the first are ignored; at the second the browse stops until the next one,
// because the library remembers every instance it has reported.
const (
	maxCandidates = discovery.MaxEntries
	maxInstances  = 4096
)

const (
	// minServerLife is how long a server runs before it may be shut down: the library announces twice within about
	// 3.5 seconds from a goroutine nobody can wait for, and a goodbye must not come before the announcement.
	minServerLife = 4 * time.Second

	defaultPoll = 5 * time.Second
	alonePeriod = 5 * time.Second
	minPeriod   = 10 * time.Second
	perTill     = 2 * time.Second
	maxPeriod   = 30 * time.Second // whatever number of tills somebody makes up
	jitter      = 0.2              // of the period, in both directions
)

// Options of a [Finder]. The zero value uses all interfaces that are up, except loopback.
type Options struct {
	Iface    string                                // use only the interface of this name; empty means all
	Loopback bool                                  // use loopback too, to try several tills on one machine
	Poll     time.Duration                         // how often interfaces are looked at; 0 means 5 seconds
	List     func() ([]discovery.Interface, error) // nil means [discovery.SystemInterfaces]
	Random   func() float64                        // in [0, 1), spreads the browses; nil means math/rand
	network  network                               // tests put a network without sockets here
}

// Stats tells what a [Finder] did since it was made and how it is now.
type Stats struct {
	Announcements uint64 // servers registered: one at the start, one for each change of the network
	Browses       uint64 // browses begun
	Candidates    uint64 // candidates handed to watchers
	Dropped       uint64 // received but not handed on: malformed, of an unknown version, or above a limit
	Errors        uint64 // attempts that failed

	Announcing bool     // this till can be found now
	Watching   bool     // a browse is running now, or the next one follows at once
	Interfaces []string // in use by the latest attempt; empty: there is no network

	AnnounceError string // why this till cannot be found now; empty while it can, or while nothing is announced
	WatchError    string // why others cannot be found now; empty while they can, or while nobody watches
}

// Finder announces and finds tills. It implements [discovery.Finder].
type Finder struct {
	opts Options

	mu struct {
		sync.Mutex
		self  map[crdt.TillID]int // tills being announced by us: how many times
		stats Stats
	}
}

var _ discovery.Finder = (*Finder)(nil)

// New returns a Finder. It does nothing before Announce or Watch is called.
func New(o Options) *Finder {
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.List == nil {
		o.List = discovery.SystemInterfaces
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.network == nil {
		o.network = multicast{}
	}
	f := &Finder{opts: o}
	f.mu.self = map[crdt.TillID]int{}
	return f
}

// Stats returns a copy of the counters and the state.
func (f *Finder) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.mu.stats
	s.Interfaces = append([]string(nil), s.Interfaces...)
	return s
}

// count changes the counters or the state.
func (f *Finder) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.mu.stats)
}

func (f *Finder) announceFailed(err error) {
	f.count(func(s *Stats) { s.Errors++; s.AnnounceError = err.Error() })
}

func (f *Finder) watchFailed(err error) {
	f.count(func(s *Stats) { s.Errors++; s.WatchError = err.Error() })
}

func (f *Finder) isSelf(till crdt.TillID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.self[till] > 0
}

func (f *Finder) addSelf(till crdt.TillID, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.self[till] += n; f.mu.self[till] == 0 {
		delete(f.mu.self, till)
	}
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
