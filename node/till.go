package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Options say how to run the till of a data directory.
type Options struct {
	Data      string
	Listen    string   // where links are taken, ":8481" if empty; gossip takes the next port
	Advertise string   // "ip:port" under which others reach Listen, if it is not the bound address
	Iface     string   // the only interface for discovery, all if empty
	NoMDNS    bool     //
	Peers     []string // "host:port" of other tills' links
	Version   string   // of the program
	Log       *slog.Logger
}

// Till is one till of a shop. Open makes it, Run runs it. All methods may be called at any time after Open.
type Till struct {
	o        Options
	log      *slog.Logger
	id       identityFile
	key      ed25519.PrivateKey
	token    string
	boot     uint32
	began    time.Time
	identity *mesh.Identity

	rows   *badger.Store
	store  *store.Guard
	water  *highwater.File
	engine *engine.Engine

	listener   net.Listener
	links      *mesh.Links
	gossip     *mesh.Gossip
	table      *discovery.Table
	remembered *discovery.Remembered
	static     *discovery.Static
	mdns       *mdns.Finder // nil if switched off
	invites    *pairing.Invitations

	roster  *roster
	book    *book.Book
	goods   *assortment
	series  *journal.Series
	events  *Events
	replies *replies
	heads   *heads
	tabs    tabLocks
	work    sync.Map // tab ID -> when somebody last worked on it here; entries leave with the tab
	shop    cached[shop.Settings]

	masterData sync.Mutex // one edit of master data or settings at a time on this till: what it saw is what it replaces
	stats      Counters
	prefixes   atomic.Pointer[localNet]
}

// Counters count what a till did since its start, for metrics.
type Counters struct {
	LinesAdded, TabsOpened, ReceiptsClosed, PaymentsTaken atomic.Uint64
}

type localNet struct {
	at       time.Time
	prefixes []netip.Prefix
}

// Open opens the data of a till and checks it; Run must be called, or Close. If there is any doubt about the store the
// error wraps store.ErrDoubt, and nothing was changed. Other errors: ErrNoShop, rows.ErrInUse, rows.ErrNewerFormat.
func Open(ctx context.Context, o Options) (t *Till, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Listen = or(o.Listen, ":8481")
	t = &Till{o: o, log: o.Log, began: time.Now()}
	if t.id, t.key, t.token, err = readIdentity(o.Data); err != nil {
		return nil, err
	}
	if t.identity, err = mesh.NewIdentity(t.key); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
			t = nil
		}
	}()
	if t.listener, err = listen(o.Listen); err != nil {
		return t, err
	}
	if err := t.openStore(ctx); err != nil {
		return t, err
	}
	if err := t.loadViews(ctx); err != nil {
		return t, err
	}
	if err := t.connect(); err != nil {
		return t, err
	}
	return t, nil
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hint(fmt.Errorf("listen for other tills on %s: the port is in use", addr),
			"another till may be running here; stop it, or choose another port with --listen")
	case err != nil:
		return nil, hint(fmt.Errorf("listen for other tills on %s: %w", addr, err), "check the address after --listen")
	}
	return l, nil
}

// openStore opens the store and the record beside it, and compares them before anything is written.
func (t *Till) openStore(ctx context.Context) error {
	// The record first: without it there is doubt, and the store is not even opened.
	water, payload, err := highwater.Open(filepath.Join(t.o.Data, fileHighWater))
	if err != nil {
		return doubt(fmt.Errorf("%w: %w", store.ErrDoubt, err))
	}
	t.water = water
	rec, err := store.DecodeRecord(payload)
	if err != nil {
		return doubt(fmt.Errorf("%w: %w", store.ErrDoubt, err))
	}
	// The engine makes a store where there is none, but a till that had one must not begin anew.
	if dir := filepath.Join(t.o.Data, dirStore); checkEmpty(dir) == nil {
		return doubt(fmt.Errorf("%w: there is no store in %s", store.ErrDoubt, dir))
	}
	rowStore, report, err := badger.Open(badger.Options{Dir: filepath.Join(t.o.Data, dirStore), Log: t.log})
	switch {
	case errors.Is(err, rows.ErrInUse):
		return hint(fmt.Errorf("%s: %w", t.o.Data, err), "stop the till that runs on this directory, or name another one with --data")
	case errors.Is(err, rows.ErrNewerFormat):
		return hint(fmt.Errorf("%s: %w", t.o.Data, err), "run the newer program; nothing was changed")
	case err != nil:
		return hint(fmt.Errorf("open the store in %s: %w", t.o.Data, err), "the other tills hold what this one had; nothing was changed")
	}
	t.rows = rowStore
	if report.FailedBefore > 0 {
		t.log.Warn("the store could not be opened before", "times", report.FailedBefore)
	}
	// The engine reads damaged tables without an error and shows less than there is; nothing is sold on that.
	if err := rowStore.Verify(ctx); err != nil {
		return hint(fmt.Errorf("%w: %w", store.ErrDoubt, err), "the other tills hold what this one had: move the directory aside and join anew")
	}
	st, err := store.Open(ctx, rowStore)
	if err != nil {
		return err
	}
	id, err := st.Identity(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", t.o.Data, err)
	}
	if id != (store.Identity{Shop: t.id.Shop, Till: t.id.Till, Replica: t.id.Replica}) {
		return doubt(fmt.Errorf("%w: it belongs to another till or lineage than identity.json says", store.ErrDoubt))
	}
	if err := st.Check(ctx, rec, id.Replica); err != nil {
		return doubt(err)
	}
	if t.boot, err = st.NextBoot(ctx, max(t.began.Unix(), int64(rec.Boot)+crdt.BootEpoch+1)); err != nil {
		return err
	}
	t.store, err = store.NewGuard(ctx, st, water, id.Replica, t.boot)
	return err
}

func doubt(err error) error {
	return hint(err, "this till does not sell until it is clear what happened; its receipts are on the other tills. "+
		"If it was restored or copied, set it up anew as another till with \"till join\" in an empty directory")
}

// connect makes the parts that speak to other tills.
func (t *Till) connect() error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	core := replication.NewCore(replication.Config{
		Shop: t.id.Shop, Till: t.id.Till, Replica: t.id.Replica, Boot: t.boot, Nonce: nonce, Program: t.o.Version,
		Roster: t.roster, Contexts: t.store.Contexts(), Digests: t.store.Digests(), Heads: t.store.Heads(),
		Jitter: func(n time.Duration) time.Duration { return mathrand.N(max(n, 1)) },
	})
	t.engine = engine.New(engine.Config{
		Core: core, Store: t.store, Log: t.log, Applied: t.applied, Asked: t.asked, Settle: t.store.Settle,
		Notify:  func() { t.events.post(Event{What: "mesh"}) },
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) },
	})
	local, ok := t.listener.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("listen on %s: not a TCP address", t.o.Listen)
	}
	bound := local.AddrPort()
	linkPort := bound.Port()
	var advertise netip.AddrPort
	if t.o.Advertise != "" {
		var err error
		if advertise, err = netip.ParseAddrPort(t.o.Advertise); err != nil {
			return hint(fmt.Errorf("--advertise %q: %w", t.o.Advertise, err), "write it as ip:port, such as 192.168.1.20:8481")
		}
		linkPort = advertise.Port()
	}
	var err error
	t.remembered, err = discovery.LoadRemembered(filepath.Join(t.o.Data, filePeers))
	if err != nil {
		t.log.Warn("remembered addresses of other tills could not be read", "error", err)
	}
	t.table = discovery.NewTable(discovery.Self{Till: t.id.Till, Shop: t.id.Shop, Port: linkPort})
	for _, c := range t.remembered.Candidates() {
		t.table.Add(c, t.began)
	}
	if t.static, err = discovery.NewStatic(t.o.Peers, 0, net.DefaultResolver.LookupNetIP); err != nil {
		return hint(err, "write --peer as host:port, such as 192.168.1.20:8481")
	}
	if !t.o.NoMDNS {
		t.mdns = mdns.New(mdns.Options{Iface: t.o.Iface})
	}
	if t.links, err = mesh.NewLinks(mesh.LinksConfig{
		Identity: t.identity, Shop: t.id.Shop, Listener: t.listener, Allowed: t.roster.active,
		Addresses: t.linkTargets, Serve: t.serveLink, Pair: t.pair, Log: t.log,
	}); err != nil {
		return err
	}
	shopKey, err := hex.DecodeString(t.id.ShopKey)
	if err != nil {
		return fmt.Errorf("shop key in identity.json: %w", err)
	}
	cfg := mesh.GossipConfig{
		Till: t.id.Till, Shop: t.id.Shop, Key: shopKey, Boot: t.boot, LinkPort: linkPort,
		Bind: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()+1), Allowed: t.roster.active,
		Addresses: t.gossipTargets, Changed: t.membersChanged, Log: t.log,
	}
	switch {
	case advertise.IsValid():
		cfg.Advertise = func() netip.Addr { return advertise.Addr() }
		cfg.AdvertisePort = advertise.Port() + 1
	case t.o.Iface != "":
		cfg.Advertise = func() netip.Addr { return ifaceAddr(t.o.Iface) }
	}
	if bound.Addr().IsUnspecified() {
		cfg.Bind = netip.AddrPortFrom(netip.IPv4Unspecified(), bound.Port()+1)
	}
	if t.gossip, err = mesh.NewGossip(cfg); err != nil {
		return err
	}
	t.invites = pairing.NewInvitations(rand.Reader, time.Now)
	return nil
}

// Run runs the till until ctx is done or it must not go on: then the error says why. It closes everything.
func (t *Till) Run(ctx context.Context) error {
	// What speaks to others ends first; the engine, which saves what they brought, last.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	saved := make(chan error, 1)
	outer, stopOuter := context.WithCancel(ctx)
	defer stopOuter()
	go func() {
		err := t.engine.Run(engineCtx)
		stopOuter()
		saved <- err
	}()

	g, outer := errgroup.WithContext(outer)
	g.Go(func() error { return ended(outer, t.links.Run(outer)) })
	g.Go(func() error { return ended(outer, t.gossip.Run(outer)) })
	g.Go(func() error { t.discover(outer, t.static); return nil })
	if t.mdns != nil {
		g.Go(func() error { t.discover(outer, t.mdns); return nil })
		g.Go(func() error {
			self := discovery.Self{Till: t.id.Till, Shop: t.id.Shop, Port: t.LinkAddr().Port(), Version: strconv.Itoa(1)}
			if err := t.mdns.Announce(outer, self); err != nil {
				t.log.Error("this till cannot be found by multicast", "error", err)
			}
			return nil
		})
	}
	g.Go(func() error { t.housekeep(outer); return nil })
	err := g.Wait()
	stopEngine()
	err = errors.Join(err, <-saved)
	t.events.close()
	return errors.Join(err, t.Close())
}

// ended drops the error of a part that ended because it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// Close closes what Open opened and Run did not; Run does it too. It may be called twice.
func (t *Till) Close() error {
	var errs []error
	if t.listener != nil {
		if err := t.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if t.water != nil {
		errs = append(errs, t.water.Close())
		t.water = nil
	}
	if t.rows != nil {
		errs = append(errs, t.rows.Close())
	}
	return errors.Join(errs...)
}

// Token returns what the HTTP API of this till asks for.
func (t *Till) Token() string { return t.token }

// LinkAddr returns where this till takes links.
func (t *Till) LinkAddr() netip.AddrPort {
	if a, ok := t.listener.Addr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// housekeep does what is done now and then.
func (t *Till) housekeep(ctx context.Context) {
	every := time.NewTicker(10 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := t.remembered.Save(); err != nil {
				t.log.Warn("addresses of other tills were not saved", "error", err)
			}
			return
		case now := <-every.C:
			t.table.Expire(now, mdns.ExpireAfter)
			if day, _, err := t.today(ctx, now); err == nil {
				t.book.SetDay(day)
			}
			if err := t.remembered.Save(); err != nil {
				t.log.Warn("addresses of other tills were not saved", "error", err)
			}
			if err := t.replies.expire(ctx, t, now); err != nil {
				t.log.Warn("old answers were not removed", "error", err)
			}
		}
	}
}

// commit writes an own change and waits until it is durable.
func (t *Till) commit(ctx context.Context, scope crdt.Scope, schema uint32, pieces []crdt.Piece, notes ...replication.Note) (*crdt.Commit, error) {
	return t.engine.Commit(ctx, t.change(scope, schema, pieces, notes))
}

func (t *Till) change(scope crdt.Scope, schema uint32, pieces []crdt.Piece, notes []replication.Note) replication.Local {
	ms := time.Now().UnixMilli()
	return replication.Local{
		Scope: scope, Pieces: pieces, Schema: schema, Notes: notes, WallMS: ms, Stamp: crdt.Stamp{Trusted: true, MS: ms},
	}
}

// Self returns who this till is.
func (t *Till) Self() (shopID crdt.ShopID, till crdt.TillID, replica crdt.ReplicaID) {
	return t.id.Shop, t.id.Till, t.id.Replica
}
