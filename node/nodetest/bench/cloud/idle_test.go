//go:build bench

package cloud

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// anyone is a roster in which everybody may push everything: the tills here are the cloud's load and judge nothing.
type anyone struct{}

func (anyone) MayPush(crdt.TillID, *crdt.Commit) bool { return true }

// till is the till of a shop that runs: its store, its engine and the product's uplink.
type till struct {
	*branch
	engine *engine.Engine
	uplink *cloudlink.Uplink
	calls  int // that were begun; guarded by mu
	mu     sync.Mutex
}

// run starts a till, which runs until ctx is done.
func (b *branch) run(ctx context.Context, t *testing.T, parts *sync.WaitGroup, to cloudlink.Coupling) *till {
	boot, err := b.Store.NextBoot(ctx, time.Now().Unix())
	require.NoError(t, err)
	x := &till{branch: b}
	log := slog.New(slog.DiscardHandler)
	jitter := func(n time.Duration) time.Duration { return rand.N(max(n, 1)) }
	core := replication.NewCore(replication.Config{
		Shop: b.Shop.ID, Till: b.ID, Replica: b.Replica, Boot: boot, Nonce: [16]byte(b.ID[:16]), Program: "bench", Roster: anyone{},
		Contexts: b.Store.Contexts(), Digests: b.Store.Digests(), Heads: b.Store.Heads(), Jitter: jitter, AuditEvery: time.Hour,
	})
	x.engine = engine.New(engine.Config{Core: core, Store: b.Store, Log: log})
	dialer, err := cloudlink.NewDialer(cloudlink.DialerConfig{Shop: b.Shop.ID, Key: b.Key, Program: "bench"})
	require.NoError(t, err)
	x.uplink = cloudlink.NewUplink(cloudlink.Config{
		Self: b.ID, Probe: dialer.Probe, Serve: x.engine.Serve, Ask: x.engine.Ask, Log: log, Jitter: jitter,
		Dial: func(ctx context.Context, to cloudlink.Coupling) (*cloudlink.Connection, error) {
			x.mu.Lock()
			x.calls++
			x.mu.Unlock()
			return dialer.Dial(ctx, to)
		},
		Progress: func() (cloudlink.Progress, bool) { return cloudlink.Progress{}, x.equal() },
	})
	parts.Go(func() { assert.NoError(t, x.engine.Run(ctx)) })
	parts.Go(func() { assert.NoError(t, x.uplink.Run(ctx)) })
	x.uplink.Active([]crdt.TillID{b.ID})
	x.uplink.Couple(&to, true)
	return x
}

// equal reports whether the till is linked with the cloud and knows that both hold the same, and that it holds the lease.
func (x *till) equal() bool {
	for _, l := range x.engine.State().Links {
		if l.Ready && l.Equal {
			return true
		}
	}
	return false
}

func (x *till) called() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.calls
}

// all waits until as many tills are as is said, and returns how long that took.
func all(t *testing.T, tills []*till, holds func(*till) bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick, end := time.NewTicker(50*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer end.Stop()
	for left := tills; len(left) > 0; {
		var still []*till
		for _, x := range left {
			if !holds(x) {
				still = append(still, x)
			}
		}
		if left = still; len(left) == 0 {
			break
		}
		select {
		case <-tick.C:
		case <-end.C:
			require.FailNow(t, "the shops are not through", "%d of %d are missing", len(left), len(tills))
		}
	}
	return time.Since(began)
}

const (
	watchFor = 20 * time.Second // the work of idle shops
	outage   = 20 * time.Second
)

// idleFigures measure what shops cost that are linked and do nothing, and their return after an outage.
func idleFigures(t *testing.T, table *report) {
	n := sized(t, "BENCH_SHOPS", 1000, 50)
	key := cloudKey(t)
	cloud := crdt.TillIDOf(key)
	for k, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			list := newBranches(t, key, 100_000*(k+1), n)
			for _, b := range list {
				b.Sell(5)
			}
			o := e.new(t)
			prepare(t, o, list)
			server := startServer(t, o, "127.0.0.1:0")
			empty := server.usage()
			ctx, cancel := context.WithCancel(context.Background())
			var parts sync.WaitGroup
			defer parts.Wait()
			defer cancel()
			to := cloudlink.Coupling{Cloud: cloud, Base: "http://" + server.addr}
			tills := make([]*till, n)
			began, before := time.Now(), worked(t, o, server)
			for i, b := range list {
				tills[i] = b.run(ctx, t, &parts, to)
			}
			all(t, tills, (*till).equal)
			table.add(fmt.Sprintf("%d new shops of 5 receipts couple at once, %s", n, e.name), "-", fmt.Sprintf("%s; %s of processor each",
				figures.Duration(time.Since(began)), figures.Duration((worked(t, o, server)-before)/time.Duration(n))), "-", true)

			full := server.usage()
			require.Equal(t, n, full.Shops)
			idle := worked(t, o, server)
			wait(watchFor)
			busy := worked(t, o, server) - idle
			heap, stacks := float64(full.Heap-empty.Heap)/float64(n)/1e3, float64(full.Stacks-empty.Stacks)/float64(n)/1e3
			table.add(fmt.Sprintf("%d idle shops, %s: each", n, e.name), "-", fmt.Sprintf("%.0f kB (heap %.0f, stacks %.0f), %.1f goroutines; %s of processor a minute",
				heap+stacks, heap, stacks, float64(full.Goroutines-empty.Goroutines)/float64(n), figures.Duration(busy*time.Duration(time.Minute/watchFor)/time.Duration(n))), "-", true)

			comeBack(t, table, e, o, server, tills)
			cancel()
			parts.Wait()
		})
	}
}

// comeBack stops the server, leaves the shops alone for a while and starts it again, once as the tills do it and once all at once.
func comeBack(t *testing.T, table *report, e kind, o database.Options, server *process, tills []*till) {
	t.Helper()
	n := len(tills)
	for _, at := range []string{"with the tills' backoff", "all calling at once"} {
		addr, before := server.addr, make([]int, n)
		for i, x := range tills {
			before[i] = x.called()
		}
		server.stop()
		wait(outage)
		server = startServer(t, o, addr)
		work, began := worked(t, o, server), time.Now()
		if at != "with the tills' backoff" {
			for _, x := range tills {
				x.uplink.Sync()
			}
		}
		all(t, tills, (*till).equal)
		took := time.Since(began)
		calls := 0
		for i, x := range tills {
			calls += x.called() - before[i]
		}
		table.add(fmt.Sprintf("%d shops come back after %v, %s, %s", n, outage, at, e.name), "-", fmt.Sprintf("%s; %s of processor each; %.1f calls each",
			figures.Duration(took), figures.Duration((worked(t, o, server)-work)/time.Duration(n)), float64(calls)/float64(n)), "-", true)
	}
	server.stop()
}

// wait lets time pass: what is measured is what happens meanwhile.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}
