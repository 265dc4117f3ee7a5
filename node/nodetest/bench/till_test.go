//go:build bench

package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

var shopID = crdt.ShopID{0xbe}

// shop is tills without their HTTP side: store, committer, replication and TLS links on loopback, as node puts them
// together.
type shop struct {
	t      *testing.T
	tills  []*till
	apart  atomic.Bool                        // no links
	owners map[crdt.ReplicaID]crdt.TillID     // of the tills; fixed before the first runs
	wire   func(net.Conn) net.Conn            // wraps every connection, nil: as it is
	upAt   atomic.Pointer[time.Time]          // when the first session began since the last cut
	onTake atomic.Pointer[func(n, count int)] // called when till n saved so many commits
}

// till is one till of a shop.
type till struct {
	shop     *shop
	n        int
	dir      string
	kept     bool // the store outlives a stop
	id       *mesh.Identity
	replica  crdt.ReplicaID
	rows     *badger.Store
	water    *highwater.File
	guard    *store.Guard
	engine   *engine.Engine
	listener net.Listener
	links    *mesh.Links
	stop     func()
}

// newShop prepares so many tills, apart from each other, and starts those that are named.
func newShop(t *testing.T, count int, start ...int) *shop {
	t.Helper()
	s := &shop{t: t, owners: make(map[crdt.ReplicaID]crdt.TillID)}
	s.apart.Store(true)
	for n := range count {
		seed := sha256.Sum256(fmt.Appendf(nil, "till %d", n))
		id, err := mesh.NewIdentity(ed25519.NewKeyFromSeed(seed[:]))
		require.NoError(t, err)
		l := &till{shop: s, n: n, dir: t.TempDir(), id: id, replica: crdt.ReplicaID(seed[16:])}
		s.owners[l.replica] = id.Till()
		s.tills = append(s.tills, l)
	}
	for _, n := range start {
		s.tills[n].start()
	}
	return s
}

// MayPush is a method of replication.Roster.
func (s *shop) MayPush(id crdt.TillID, c *crdt.Commit) bool { return s.owners[c.Dot.Replica] == id }

// start opens an empty store, or the one that was kept, and runs the till until stop is called or the test ends.
func (l *till) start() {
	l.shop.t.Helper()
	labelled("ours", l.run)
}

func (l *till) run() {
	t, ctx := l.shop.t, context.Background()
	var err error
	dir := filepath.Join(l.dir, "store")
	if !l.kept {
		require.NoError(t, os.RemoveAll(l.dir))
	}
	l.rows, _, err = badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	st, err := store.Open(ctx, l.rows)
	require.NoError(t, err)
	boot, err := st.NextBoot(ctx, time.Now().Unix())
	require.NoError(t, err)
	if l.kept {
		l.water, _, err = highwater.Open(filepath.Join(l.dir, "highwater"))
	} else {
		l.water, err = highwater.Create(filepath.Join(l.dir, "highwater"), nil)
	}
	require.NoError(t, err)
	l.guard, err = store.NewGuard(ctx, st, l.water, l.replica, boot)
	require.NoError(t, err)
	core := replication.NewCore(replication.Config{
		Shop: shopID, Till: l.id.Till(), Replica: l.replica, Boot: boot, Nonce: [16]byte{byte(l.n)}, Program: "bench",
		Roster: l.shop, Contexts: l.guard.Contexts(), Digests: l.guard.Digests(), Heads: l.guard.Heads(),
	})
	l.engine = engine.New(engine.Config{
		Core: core, Store: l.guard, Log: slog.New(slog.DiscardHandler), Settle: l.guard.Settle,
		Applied: func(taken []replication.Taken) {
			if f := l.shop.onTake.Load(); f != nil {
				(*f)(l.n, len(taken))
			}
		},
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) },
	})
	l.connect()

	engineCtx, stopEngine := context.WithCancel(ctx)
	linksCtx, stopLinks := context.WithCancel(ctx)
	var engineEnd, linksEnd error
	var enginePart, linksPart sync.WaitGroup
	enginePart.Go(func() { engineEnd = l.engine.Run(engineCtx) })
	linksPart.Go(func() { linksEnd = l.links.Run(linksCtx) })
	l.stop = sync.OnceFunc(func() {
		stopLinks()
		linksPart.Wait()
		stopEngine()
		enginePart.Wait()
		require.NoError(t, errors.Join(linksEnd, engineEnd, l.water.Close(), l.guard.Close()))
		if !l.kept {
			require.NoError(t, os.RemoveAll(l.dir))
		}
	})
	t.Cleanup(l.stop)
}

// connect makes the links of the till.
func (l *till) connect() {
	t, s := l.shop.t, l.shop
	t.Helper()
	var err error
	l.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg := mesh.LinksConfig{
		Identity: l.id, Shop: shopID, Listener: l.listener, Serve: l.serve,
		Allowed: func(crdt.TillID) bool { return !s.apart.Load() },
		Addresses: func() (list []mesh.Target) {
			for _, o := range s.tills {
				if !s.apart.Load() && o != l && o.listener != nil { // tills start only while apart
					list = append(list, mesh.Target{Till: o.id.Till(), Addrs: []string{o.listener.Addr().String()}})
				}
			}
			return list
		},
	}
	if s.wire != nil {
		cfg.Listener = wiredListener{l.listener, s.wire}
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return s.wire(c), nil
		}
	}
	l.links, err = mesh.NewLinks(cfg)
	require.NoError(t, err)
}

func (l *till) serve(ctx context.Context, link *mesh.Link) error {
	now := time.Now()
	l.shop.upAt.CompareAndSwap(nil, &now)
	return l.engine.Serve(ctx, engine.Conn{
		ReadWriteCloser: link, Peer: link.Peer(), WriteDeadline: link.SetWriteDeadline,
		Compress: func() bool { return link.WriteRate() < 100e6 }, // as a till decides
	})
}

// meet lets the tills find each other.
func (s *shop) meet() {
	s.upAt.Store(nil)
	s.apart.Store(false)
	for _, l := range s.tills {
		if l.links != nil {
			l.links.Wake()
		}
	}
}

// part cuts all links and waits until they are gone.
func (s *shop) part() {
	s.t.Helper()
	s.apart.Store(true)
	for _, l := range s.tills {
		if l.links != nil {
			l.links.Recheck()
		}
	}
	require.True(s.t, await(time.Millisecond, func() bool {
		for _, l := range s.tills {
			if l.links != nil && len(l.engine.State().Links) > 0 {
				return false
			}
		}
		return true
	}), "the links end")
}

// linked waits until every till has a session with every other that both sides accepted.
func (s *shop) linked() {
	s.t.Helper()
	require.True(s.t, await(time.Millisecond, func() bool {
		for _, l := range s.tills {
			ready := 0
			for _, link := range l.engine.State().Links {
				if link.Ready {
					ready++
				}
			}
			if ready < len(s.tills)-1 {
				return false
			}
		}
		return true
	}), "all tills are linked")
}

// equal reports whether all tills hold the same.
func (s *shop) equal() bool {
	first := s.tills[0].engine.State().Hash
	for _, l := range s.tills[1:] {
		if l.engine.State().Hash != first {
			return false
		}
	}
	return true
}

// sent returns how many bytes went over the links there are, TLS included.
func (s *shop) sent() (total int64) {
	for _, l := range s.tills {
		if l.links == nil {
			continue
		}
		for _, link := range l.links.All() {
			total += int64(link.BytesOut())
		}
	}
	return total
}

// change is an own change of the till.
func change(scope crdt.Scope, pieces []crdt.Piece) replication.Local {
	now := time.Now().UnixMilli()
	return replication.Local{Scope: scope, Pieces: pieces, Schema: 1, Stamp: crdt.Stamp{Trusted: true, MS: now}, WallMS: now}
}

// stock writes articles from to (excluded) as an import does.
func (l *till) stock(from, to int) {
	t := l.shop.t
	t.Helper()
	ctx := context.Background()
	var waits []func(context.Context) (*crdt.Commit, error)
	flush := func() {
		for _, wait := range waits {
			_, err := wait(ctx)
			require.NoError(t, err)
		}
		waits = waits[:0]
	}
	for from < to {
		var pieces []crdt.Piece
		for range min(crdt.MaxObjects, to-from) {
			p, err := productAt(from).pieces()
			require.NoError(t, err)
			pieces = append(pieces, p...)
			from++
		}
		wait, err := l.engine.Submit(change(crdt.Catalog, pieces))
		require.NoError(t, err)
		if waits = append(waits, wait); len(waits) == 16 {
			flush()
		}
	}
	flush()
}

// wiredListener wraps what it accepts.
type wiredListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wiredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// slowConn takes so many bytes per second, as a narrow line does.
type slowConn struct {
	net.Conn
	perSecond int
	mu        sync.Mutex
	free      time.Time // when the line has taken what was written
}

// Write is a method of net.Conn.
func (c *slowConn) Write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const step = 8 << 10
	for len(b) > 0 && err == nil {
		part := b[:min(step, len(b))]
		if now := time.Now(); c.free.Before(now) {
			c.free = now
		} else {
			<-time.After(c.free.Sub(now))
		}
		c.free = c.free.Add(time.Duration(len(part)) * time.Second / time.Duration(c.perSecond))
		var took int
		took, err = c.Conn.Write(part)
		n += took
		b = b[took:]
	}
	return n, err
}
