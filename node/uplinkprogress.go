package node

import (
	"context"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// progress knows how far the cloud is: by class of data how many records it holds, of how many. Counting reads the store, so it
// is done beside the rest, a piece at a time, and only what changed.
type progress struct {
	till  *Till
	lacks func(peer crdt.TillID) map[crdt.Scope]crdt.Context
	wake  chan struct{}

	savedAt time.Duration // Steady; only count uses it

	mu      sync.Mutex
	cloud   crdt.TillID
	first   bool                        // the first transfer has not ended
	totals  map[crdt.Scope]uint64       // of the first transfer; nil: not counted yet
	held    map[crdt.Scope]crdt.Context // what the cloud was ever known to hold when it was counted
	done    map[crdt.Scope]uint64       // of that
	missing map[crdt.ScopeKind]uint64   // by class, as counted last
	known   bool
}

func newProgress(t *Till, lacks func(peer crdt.TillID) map[crdt.Scope]crdt.Context) *progress {
	return &progress{till: t, lacks: lacks, wake: make(chan struct{}, 1)}
}

// classes are the kinds of scopes as people call them, in the order to show them.
var classes = []struct {
	kind crdt.ScopeKind
	name string
}{
	{crdt.KindSales, "receipts"}, {crdt.KindCatalog, "articles"}, {crdt.KindCustomers, "customers"}, {crdt.KindUsers, "users"},
	{crdt.KindStock, "stock"}, {crdt.KindShop, "shop"},
}

// countedMost is how many missing records are counted after the first transfer; more are said to be so many.
const countedMost = 2000

// follow says which cloud is meant.
func (p *progress) follow(cloud crdt.TillID, firstDone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cloud != cloud {
		p.cloud, p.first, p.known = cloud, !firstDone, false
		p.totals, p.held, p.done = nil, make(map[crdt.Scope]crdt.Context), make(map[crdt.Scope]uint64)
	}
	wakeUp(p.wake)
}

// now returns what was counted last, and has it counted again. What came since then counts as one: nobody may be told that the cloud
// has everything while it has not.
func (p *progress) now() (cloudlink.Progress, bool) {
	behind := p.behind()
	p.mu.Lock()
	defer p.mu.Unlock()
	wakeUp(p.wake)
	if !p.known {
		return cloudlink.Progress{}, false
	}
	var out cloudlink.Progress
	for _, c := range classes {
		class := lease.Class{Name: c.name, Pending: max(p.missing[c.kind], behind[c.kind])}
		for scope, n := range p.done {
			if scope.Kind == c.kind {
				class.Done += n
			}
		}
		class.Total = class.Done + class.Pending
		out.Classes = append(out.Classes, class)
	}
	return out, true
}

// behind returns 1 for the kinds of which the cloud lacks something now.
func (p *progress) behind() map[crdt.ScopeKind]uint64 {
	p.mu.Lock()
	cloud := p.cloud
	p.mu.Unlock()
	out := make(map[crdt.ScopeKind]uint64)
	if cloud.IsZero() {
		return out
	}
	for scope, lacks := range p.lacks(cloud) {
		if len(lacks) > 0 {
			out[scope.Kind] = 1
		}
	}
	return out
}

// run counts whenever it is asked to, until ctx is done.
func (p *progress) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if err := p.count(ctx); err != nil && ctx.Err() == nil {
			p.till.log.Warn("how far the cloud is was not counted", "error", err)
		}
	}
}

// count counts what the cloud lacks, and while the first transfer runs what it holds.
func (p *progress) count(ctx context.Context) error {
	p.mu.Lock()
	cloud, first, before, sofar, totals := p.cloud, p.first, p.held, p.done, p.totals
	p.mu.Unlock()
	if cloud.IsZero() {
		return nil
	}
	lacks := p.lacks(cloud)
	if first && totals == nil {
		if was := p.resume(ctx, cloud); was.totals != nil {
			totals, before, sofar = was.totals, was.held, was.done
		} else {
			all, err := p.all(ctx)
			if err != nil {
				return err
			}
			totals = all
		}
	}
	missing := make(map[crdt.ScopeKind]uint64)
	held, done := make(map[crdt.Scope]crdt.Context), make(map[crdt.Scope]uint64)
	for scope, mine := range p.till.store.Contexts() {
		if !first {
			n, err := p.live(ctx, scope, lacks[scope], countedMost)
			if err != nil {
				return err
			}
			missing[scope.Kind] += n
			continue
		}
		// Until the cloud said what it holds, which after a start takes a moment, it is taken to hold what it held before.
		has := mine.Minus(lacks[scope])
		n, err := p.live(ctx, scope, has.Minus(before[scope]), 0)
		if err != nil {
			return err
		}
		held[scope] = before[scope].Clone()
		held[scope].AddAll(has)
		done[scope] = sofar[scope] + n
		switch {
		case len(lacks[scope]) == 0:
		case totals[scope] > done[scope]:
			missing[scope.Kind] += totals[scope] - done[scope]
		default: // sold meanwhile
			missing[scope.Kind]++
		}
	}
	if first {
		if err := p.save(ctx, cloud, counted{totals, done, held}, len(lacks) == 0); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cloud != cloud {
		return nil
	}
	p.missing, p.known, p.totals = missing, true, totals
	if first {
		p.held, p.done = held, done
		p.first = len(lacks) > 0
	}
	return nil
}

// all counts the records of every scope.
func (p *progress) all(ctx context.Context) (map[crdt.Scope]uint64, error) {
	out := make(map[crdt.Scope]uint64)
	for scope, mine := range p.till.store.Contexts() {
		n, err := p.live(ctx, scope, mine, 0)
		if err != nil {
			return nil, err
		}
		out[scope] = n
	}
	return out, nil
}

// live counts the records of a scope that are in want, at most about most; 0: all.
func (p *progress) live(ctx context.Context, scope crdt.Scope, want crdt.Context, most uint64) (n uint64, err error) {
	if len(want) == 0 {
		return 0, nil
	}
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		if list, at, err = p.till.store.Live(ctx, scope, want, at, 256<<10); err != nil {
			return n, err
		}
		if n += uint64(len(list)); most > 0 && n >= most {
			return n, nil
		}
	}
	return n, nil
}
