package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
)

// Options say how to run the till of a data directory.
type Options struct {
	Data      string
	StateDir  string   // what is kept about this machine outside of Data; DefaultStateDir if empty
	Listen    string   // where links are taken, ":8481" if empty; gossip takes the next port
	Advertise string   // "ip:port" under which others reach Listen, if it is not the bound address
	Iface     string   // the only interface for discovery, all if empty
	NoMDNS    bool     //
	Peers     []string // "host:port" of other tills' links
	Version   string   // of the program
	Log       *slog.Logger
	Limits    disk.Limits // when the disk of Data is too full; the zero value: disk.DefaultLimits
	Disk      disk.Disk   // the disk to watch; nil: that of Data
	// TryStore opens a store that may end the whole program, and closes it again, in another process. The error wraps
	// rows.ErrCorrupt if the store is damaged. nil: nobody does.
	TryStore func(ctx context.Context, dir string) error
	Terminal terminal.Terminal // the card terminal of this till; nil: it has none
	Signers  Signers           // make its signing device; nil: it has none
	Environment
}

// Machine is a till on a real machine: its use cases, its store on the disk, its links, and what finds the others. Open
// makes it, Run runs it.
type Machine struct {
	*Till
	o        Options
	identity *mesh.Identity

	rows   *badger.Store
	water  *highwater.File
	engine *engine.Engine
	disk   *disk.Keeper
	end    chan error // one slot: why the till must stop by itself

	listener   net.Listener
	links      *mesh.Links
	gossip     *mesh.Gossip
	table      *discovery.Table
	remembered *discovery.Remembered
	static     *discovery.Static
	mdns       *mdns.Finder  // nil if switched off
	rosterWake chan struct{} // one slot: somebody joined or left
	keysWake   chan struct{} // one slot: links, roster or gossip keys changed
	others     otherShops

	nonce       [16]byte               // of this start
	verifyLater bool                   // the store is large: it is verified while the till runs
	alarming    chan replication.Event // what a person may have to know
	uplink      *Uplink
	prefixes    atomic.Pointer[localNet]
}

// Open opens the data of a till and checks it; Run must be called, or Close. If there is any doubt about the store the till
// goes on as a new lineage; see [Till.Alarms]. Errors: ErrNoShop, rows.ErrInUse, rows.ErrNewerFormat, *Halt, and one that wraps
// lineage.ErrDoubt if the store is another till's.
func Open(ctx context.Context, o Options) (m *Machine, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Environment = o.Environment.orReal()
	o.Listen = or(o.Listen, ":8481")
	if o.Disk == nil {
		o.Disk = disk.Directory{Path: o.Data}
	}
	if o.StateDir, err = stateOf(o.StateDir); err != nil {
		return nil, err
	}
	id, key, token, err := readIdentity(o.Data)
	if err != nil {
		return nil, err
	}
	m = &Machine{o: o, end: make(chan error, 1), alarming: make(chan replication.Event, 64), rosterWake: make(chan struct{}, 1), keysWake: make(chan struct{}, 1)}
	if m.identity, err = mesh.NewIdentity(key); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = m.halting(errors.Join(m.diskFailed(err), m.Close()), id, token)
			m = nil
		}
	}()
	if err = m.watchDisk(); err != nil {
		return m, err
	}
	if m.listener, err = listen(o.Listen); err != nil {
		return m, err
	}
	keys, problem, err := readKeys(o.Data, id)
	if err != nil {
		return m, err
	}
	if problem != nil {
		o.Log.Warn("the keys of the group were lost; the other tills are asked for them", "error", problem)
	}
	founder, problem := readFounder(o.Data)
	if problem != nil {
		o.Log.Error("the founder secret cannot be read", "error", problem)
	}
	begun, err := m.openStore(ctx, id, key)
	if err != nil {
		return m, err
	}
	handing, err := begun.MayGoOn(ctx, o.Now())
	if err != nil {
		return m, err
	}
	m.Till, err = Assemble(ctx, Parts{
		Identity: begun.Identity, Key: key, Token: token, Boot: begun.Boot, Version: o.Version, Store: begun.Store, Log: o.Log, Environment: o.Environment,
		Disk: m.disk, GossipKeys: keys, KeepKeys: m.useKeys, Founder: founder, Handing: handing, Terminal: o.Terminal, Signers: o.Signers, DeviceKeys: rksvKeys(o.Data),
	})
	if err != nil {
		return m, err
	}
	if err := m.connect(ctx, begun); err != nil {
		return m, err
	}
	m.Connect(m.engine, m)
	m.attendDoctor()
	return m, nil
}

// Run runs the till until ctx is done or it must not go on: then the error says why. It closes everything.
func (m *Machine) Run(ctx context.Context) error {
	// What speaks to others ends first; the engine, which saves what they brought, last.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	saved := make(chan error, 1)
	outer, stopOuter := context.WithCancel(ctx)
	defer stopOuter()
	go func() {
		err := m.engine.Run(engineCtx)
		stopOuter()
		saved <- err
	}()

	g, outer := errgroup.WithContext(outer)
	g.Go(func() error { return ended(outer, m.links.Run(outer)) })
	g.Go(func() error { return ended(outer, m.gossip.Run(outer)) })
	g.Go(func() error { m.discover(outer, m.static); return nil })
	g.Go(func() error { m.endLinks(outer); return nil })
	g.Go(func() error { return m.uplink.Run(outer) })
	g.Go(func() error { m.shareKeys(outer); return nil })
	g.Go(func() error { m.sharePresence(outer); return nil })
	if m.mdns != nil {
		g.Go(func() error { m.discover(outer, m.mdns); return nil })
		g.Go(func() error {
			self := discovery.Self{Till: m.id.Till, Shop: m.id.Shop, Port: m.LinkAddr().Port(), Version: strconv.Itoa(1)}
			if err := m.mdns.Announce(outer, self); err != nil {
				m.log.Error("this till cannot be found by multicast", "error", err)
			}
			return nil
		})
	}
	g.Go(func() error { m.housekeep(outer); return nil })
	g.Go(func() error { m.env.every(outer, lookAround, func() { m.LookAround(outer) }); return nil })
	g.Go(func() error { m.env.every(outer, lookAtClock, func() { m.CompareClocks(outer) }); return nil })
	g.Go(func() error { m.watchCopies(outer); return nil })
	g.Go(func() error { m.disk.Run(outer); return nil })
	g.Go(func() error { m.verify(outer); return nil })
	g.Go(func() error { m.raiseAlarms(outer); return nil })
	g.Go(func() error { m.sayAgain(outer); return nil })
	g.Go(func() error { m.handOver(outer); return nil })
	g.Go(func() error { m.AttendTerminal(outer); return nil })
	g.Go(func() error { m.SignOrders(outer); return nil })
	g.Go(func() error { m.resumeClosing(outer); return nil })
	g.Go(func() error {
		if r := m.disk.Report(); r.Level != disk.Fine {
			m.diskChanged(r) // what was so when it was opened
		}
		select {
		case err := <-m.end:
			return err
		case <-outer.Done():
			return nil
		}
	})
	err := g.Wait()
	stopEngine()
	err = m.doubted(m.diskFailed(errors.Join(err, <-saved)))
	m.events.close()
	return m.halting(errors.Join(err, m.Close()), m.id, m.token)
}

// stop ends Run with an error. It does not block.
func (m *Machine) stop(why error) {
	select {
	case m.end <- why:
	default: // it ends already
	}
}

// halting fills in whose halt an error is, if it is one.
func (m *Machine) halting(err error, id Identity, token string) error {
	if h, ok := errors.AsType[*Halt](err); ok {
		h.Shop, h.Till, h.Prefix, h.Token = id.Shop, id.Till, id.Prefix, token
	}
	return err
}

// ended drops the error of a part that ended because it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// Close closes what Open opened and Run did not; Run does it too. It may be called twice.
func (m *Machine) Close() error {
	var errs []error
	if m.listener != nil {
		if err := m.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if m.water != nil {
		errs = append(errs, m.water.Close())
		m.water = nil
	}
	if m.rows != nil {
		errs = append(errs, m.rows.Close())
	}
	return errors.Join(errs...)
}

// lookAtClock is how often a till looks whether its clock jumped or another one is to be asked.
const lookAtClock = 2 * time.Second

// housekeeping is how often a till does what is done now and then.
const housekeeping = 10 * time.Second

func (m *Machine) housekeep(ctx context.Context) {
	m.env.every(ctx, housekeeping, func() {
		m.table.Expire(m.env.Now(), mdns.ExpireAfter)
		m.saveRemembered()
		m.Housekeep(ctx)
		m.dropOrphans()
	})
	m.saveRemembered()
}

func (m *Machine) saveRemembered() {
	if err := m.remembered.Save(); err != nil {
		m.log.Warn("addresses of other tills were not saved", "error", err)
	}
}
