package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// FileCloudRoots are certificates in the data directory (PEM) by which a cloud is trusted, beside those of the system: of one in the
// own house, or of a network that inspects connections.
const FileCloudRoots = "cloud-ca.pem"

// firstNote holds, by cloud, that all there was when the shop was coupled has arrived there once.
const firstNote = "cloud/first/"

// Uplink is a till's way to the cloud. Its methods may be called by any goroutine.
type Uplink struct {
	*cloudlink.Uplink
	till     *Till
	serve    func(context.Context, engine.Conn) error
	progress *progress
	memory   *checkpoints
	told     cloudlink.State // when it changed last

	rosterWake chan struct{} // the roster changed
	linksWake  chan struct{} // links changed
	stateWake  chan struct{} // the state of the uplink changed
}

// UplinkParts are what the way to the cloud stands on. [Open] makes them of sockets and an engine, the simulator of its own world.
type UplinkParts struct {
	// Dial, Probe and Serve are those of [cloudlink.Config].
	Dial  func(ctx context.Context, to cloudlink.Coupling) (*cloudlink.Connection, error)
	Probe func(ctx context.Context, to cloudlink.Coupling) error
	Serve func(ctx context.Context, conn engine.Conn) error
	// Lacks returns by scope what a peer lacks of what this till holds, as far as is known; see [engine.Engine.Lacks].
	Lacks func(peer crdt.TillID) map[crdt.Scope]crdt.Context
	// Jitter returns a number in [0, n).
	Jitter func(n time.Duration) time.Duration
}

// NewUplink prepares the way to the cloud of a till; Run, which uses it, comes after [Till.Connect].
func NewUplink(t *Till, p UplinkParts) *Uplink {
	t.coupler.look = make(chan struct{}, 1)
	u := &Uplink{
		till: t, serve: p.Serve, progress: newProgress(t, p.Lacks), memory: &checkpoints{till: t}, told: cloudlink.NotCoupled,
		rosterWake: make(chan struct{}, 1), linksWake: make(chan struct{}, 1), stateWake: make(chan struct{}, 1),
	}
	u.Uplink = cloudlink.NewUplink(cloudlink.Config{
		Self: t.id.Till, Dial: p.Dial, Probe: p.Probe, Serve: u.serveCloud, Ask: u.ask,
		Progress: u.progress.now, FirstDone: t.firstDone, Clock: t.cloudClock, Changed: u.changed, Jitter: p.Jitter, Log: t.log,
	})
	return u
}

func (u *Uplink) ask(ctx context.Context, peer crdt.TillID, topic string, body []byte) ([]byte, error) {
	return u.till.replicator.Ask(ctx, peer, topic, body)
}

// makeUplink prepares the way to the cloud; Run uses it.
func (m *Machine) makeUplink() error {
	roots, err := os.ReadFile(filepath.Join(m.o.Data, FileCloudRoots))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("certificates of the cloud: %w", err)
	}
	dialer, err := cloudlink.NewDialer(cloudlink.DialerConfig{Shop: m.id.Shop, Key: m.key, Program: m.version, Roots: roots})
	if err != nil {
		return hint(fmt.Errorf("%s: %w", FileCloudRoots, err), "put certificates in PEM form into it, or remove it")
	}
	m.uplink = NewUplink(m.Till, UplinkParts{Dial: dialer.Dial, Probe: dialer.Probe, Serve: m.engine.Serve, Lacks: m.engine.Lacks, Jitter: m.env.under})
	m.ConnectCloud(machineLine{Uplink: m.uplink, m: m, dialer: dialer})
	return nil
}

// Run keeps the uplink, follows roster and links, and does what follows from the state of the cloud, until ctx is done; then it signs
// out. No goroutine that it started is left then.
func (u *Uplink) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, run := range []func(context.Context){u.progress.run, u.followRoster, u.followLinks, u.watchCloud} {
		parts.Go(func() { run(ctx) })
	}
	err := u.Uplink.Run(ctx)
	parts.Wait()
	return err
}

// changed is called by the uplink's own goroutine when its state changed. It does not block. Who forwards is nothing to tell of in a
// shop without a cloud.
func (u *Uplink) changed() {
	state := u.Status().State
	if state != cloudlink.NotCoupled || u.told != cloudlink.NotCoupled {
		u.till.events.post(Event{What: "cloud"})
	}
	u.told = state
	wakeUp(u.stateWake)
}

// cloudClock takes a sample of the cloud's clock.
func (t *Till) cloudClock(cloudMS int64, round time.Duration) {
	t.clocks.observeCloud(cloudMS, round)
}

// serveCloud speaks with the cloud, looks at its archive, tells which tills are heard, and ends when the shop is not coupled with it any more.
func (u *Uplink) serveCloud(ctx context.Context, conn engine.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { u.memory.watch(ctx, conn.Peer) })
	beside.Go(func() { u.till.tellHeard(ctx, conn.Peer) })
	err := u.serve(ctx, conn)
	cancel()
	beside.Wait()
	return err
}

// calls returns the cloud that this till is to call: the coupling to show of the first that is coupled; nil: none.
func (t *Till) calls() *cloudlink.Coupling {
	for _, c := range t.Clouds() {
		if c.Coupled {
			return &cloudlink.Coupling{Cloud: c.ID, Base: c.URL, Account: c.Account}
		}
	}
	return nil
}

// followRoster tells the uplink what the roster says, now and whenever it changes, until ctx is done.
func (u *Uplink) followRoster(ctx context.Context) {
	t := u.till
	for first := true; first || t.env.wait(ctx, housekeeping, u.rosterWake); first = false {
		to := t.calls()
		done := false
		if to != nil {
			got, err := t.store.Notes(ctx, firstNote+to.Cloud.String())
			if done = err == nil && got[0] != nil; err != nil {
				t.log.Warn("whether the first transfer ended is not known", "error", err)
			}
			u.progress.follow(to.Cloud, done)
		}
		u.Active(t.roster.activeTills())
		u.Couple(to, done)
		u.tellLinks()
	}
}

// RosterChanged tells that the roster may say something else about tills and clouds. It does not block.
func (u *Uplink) RosterChanged() { wakeUp(u.rosterWake) }

// LinksChanged tells that links with tills came or went. It does not block.
func (u *Uplink) LinksChanged() { wakeUp(u.linksWake) }

// notify is called when links changed. It does not block.
func (m *Machine) notify() {
	m.Notify()
	m.uplink.LinksChanged()
}

// asked answers a question of a peer.
func (m *Machine) asked(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, bool) {
	return m.uplink.Asked(ctx, till, topic, body)
}

// Asked answers a question of a peer: those about the cloud here, the others by the till.
func (u *Uplink) Asked(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, bool) {
	if topic == election.Topic && u.till.roster.mayLink(till) {
		return u.Heard(till, body)
	}
	if topic == cloudlink.HoldersTopic && u.till.roster.coupled(till) {
		return u.till.askedHolders(body)
	}
	if topic == loss.Topic && u.till.roster.coupled(till) {
		return u.till.askedHeld(ctx, body)
	}
	return u.till.Asked(ctx, till, topic, body)
}

// followLinks tells the uplink which tills are linked, until ctx is done.
func (u *Uplink) followLinks(ctx context.Context) {
	for u.till.env.wait(ctx, housekeeping, u.linksWake) {
		u.tellLinks()
	}
}

func wakeUp(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// tellLinks tells the uplink which tills are linked.
func (u *Uplink) tellLinks() {
	var ready []crdt.TillID
	for _, l := range u.till.tillLinks() {
		if l.Ready {
			ready = append(ready, l.Till)
		}
	}
	u.Links(ready)
}

// alive tells the uplink what the group knows of the tills.
func (m *Machine) alive(members []mesh.Member) {
	seen := make(map[crdt.TillID]bool, len(members))
	for _, other := range members {
		seen[other.Till] = true
	}
	for _, till := range m.roster.activeTills() {
		if till != m.id.Till {
			m.uplink.Alive(till, seen[till])
		}
	}
}

// firstDone notes that all there was has arrived at the cloud.
func (t *Till) firstDone() {
	to := t.calls()
	if to == nil {
		return
	}
	note := replication.Note{Key: firstNote + to.Cloud.String(), Value: []byte{1}}
	if err := t.keepNotes(context.Background(), note); err != nil {
		t.log.Warn("that the first transfer ended was not saved", "error", err)
	}
}

// observeCloud takes an answer of the cloud about the time.
func (k *timekeeper) observeCloud(cloudMS int64, round time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	received := k.now()
	sent := clock.Reading{WallMS: received.WallMS - round.Milliseconds(), Mono: received.Mono - round}
	k.clock.ObserveCloud(clock.Sample{Sent: sent, Received: received, PeerMS: cloudMS})
}

// Uplink returns where this till stands with the cloud.
func (m *Machine) Uplink() cloudlink.Status { return m.uplink.Status() }

// SyncCloud calls the cloud at once if this till is to forward.
func (m *Machine) SyncCloud() { m.uplink.Sync() }

// ArchiveSeen returns what this till knows of the archive.
func (m *Machine) ArchiveSeen() ArchiveSeen { return m.uplink.memory.state() }

// askedHolders tells the cloud which tills hold values of the catalog, as far as this one knows.
func (t *Till) askedHolders(body []byte) ([]byte, bool) {
	dots, err := cloudlink.DecodeHeld(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	own := t.store.Contexts()[crdt.Catalog]
	holders := t.roster.activeTills()
	for _, d := range dots {
		known := t.replicator.Holders(crdt.Catalog, d)
		holders = slices.DeleteFunc(holders, func(till crdt.TillID) bool {
			if till == t.id.Till {
				return !own.Has(d)
			}
			return !slices.Contains(known, till)
		})
	}
	return cloudlink.EncodeHolders(holders[:min(len(holders), cloudlink.MaxHolderTills)]), true
}
