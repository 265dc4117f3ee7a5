package replicas

import (
	"context"
	"crypto/ed25519"
	sqldb "database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

// Replica is the cloud's replica of one shop while it is open.
type Replica struct {
	of      *Replicas
	shop    accounts.Shop
	account archive.AccountID
	seat    seats.Seat
	id      crdt.ReplicaID
	store   *store.Store
	engine  Engine
	ended   chan struct{} // closed when the engine has ended
	stop    context.CancelFunc
	tasks   sync.WaitGroup // attend
	wake    chan struct{}  // the roster grew

	staged   []archive.Entry // of the batch that is being applied; only the engine's committer writes
	appended atomic.Bool     // leaves were appended since the archive was signed

	trouble trouble
	watched watched
	looks   looks

	edits  sync.Mutex // one edit of master data at a time
	roster struct {
		sync.RWMutex
		r *shop.Roster
	}
	lease struct {
		sync.Mutex
		state lease.State
	}
	sessions struct {
		sync.Mutex
		list map[uint64]session // by number
	}
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// open takes the seat of a shop and opens its replica.
func (r *Replicas) open(ctx context.Context, of accounts.Shop) (p *Replica, err error) {
	seat, err := r.cfg.Seats.Take(ctx, of.ID)
	if held := (*seats.Held)(nil); errors.As(err, &held) && held.Mine {
		// A replica was closed and its seat could not be given back, or this server was slow to hear that it was taken.
		mine, mineErr := r.cfg.Seats.Mine(ctx)
		if mineErr != nil {
			return nil, mineErr
		}
		if err = r.cfg.Seats.Release(ctx, mine[of.ID]); err == nil {
			seat, err = r.cfg.Seats.Take(ctx, of.ID)
		}
	}
	if err != nil {
		return nil, err
	}
	p = &Replica{of: r, shop: of, account: archive.AccountID(of.Account), seat: seat, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	p.appended.Store(true) // what another server, or an earlier run, did not come to sign
	table := r.stores.Open(sql.ShopOptions{Shop: of.ID, Epoch: seat.Epoch, Beside: p.beside})
	defer func() {
		if err != nil {
			err = errors.Join(err, table.Close(), r.cfg.Seats.Release(context.WithoutCancel(ctx), seat))
		}
	}()
	if p.store, err = store.Open(ctx, table); err != nil {
		return nil, err
	}
	boot, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err = p.loadRoster(ctx); err != nil {
		return nil, err
	}
	if err = p.loadLease(ctx); err != nil {
		return nil, err
	}
	if err = p.loadWatch(ctx); err != nil {
		return nil, err
	}
	cfg, err := p.coreConfig(ctx, boot)
	if err != nil {
		return nil, err
	}
	p.engine = r.cfg.Engine(cfg, engine.Config{
		Store: archived{p.store, p}, Log: r.cfg.Log, Applied: p.applied, Asked: p.asked, Now: r.cfg.Now,
		Unknown: func(err error) bool {
			return errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) || errors.Is(err, rows.ErrFenced)
		},
	})
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	r.work.Go(func() {
		defer close(p.ended)
		defer p.cutAll()
		defer stop()
		err := p.engine.Run(run)
		if err == nil {
			return
		}
		r.cfg.Log.Warn("a shop is closed; it is opened again when a till calls", "shop", of.ID, "error", err)
		if doubt := (*replication.DoubtError)(nil); errors.As(err, &doubt) {
			p.doubted(context.WithoutCancel(run))
		}
	})
	p.tasks.Go(func() { p.attend(run) })
	return p, nil
}

// begin reads or makes the identity of the replica and begins a start.
func (p *Replica) begin(ctx context.Context) (boot uint32, err error) {
	id, err := p.store.Identity(ctx)
	if errors.Is(err, store.ErrNoIdentity) {
		id = store.Identity{Shop: p.shop.ID, Till: p.of.cloud()}
		p.of.cfg.Draw(id.Replica[:])
		err = p.store.SetIdentity(ctx, id)
	}
	if err != nil {
		return 0, err
	}
	if id.Shop != p.shop.ID || id.Till != p.of.cloud() {
		return 0, fmt.Errorf("%w: the rows of shop %v belong to shop %v of cloud %v", rows.ErrCorrupt, p.shop.ID, id.Shop, id.Till.Short())
	}
	p.id = id.Replica
	return p.store.NextBoot(ctx, p.of.cfg.Now().Unix())
}

// doubted has the next start write under a new replica: the store is older than it was, or somebody else wrote under this one.
func (p *Replica) doubted(ctx context.Context) {
	id := store.Identity{Shop: p.shop.ID, Till: p.of.cloud()}
	p.of.cfg.Draw(id.Replica[:])
	if err := p.store.SetIdentity(ctx, id); err != nil {
		p.of.cfg.Log.Error("a shop could not be given a new replica", "shop", p.shop.ID, "error", err)
	}
}

// cloud is the ID of this cloud as a peer of tills.
func (r *Replicas) cloud() crdt.TillID { return r.cfg.DB.Installation().ID }

func (p *Replica) coreConfig(ctx context.Context, boot uint32) (cfg replication.Config, err error) {
	agreed, err := p.store.Agreed(ctx, p.id)
	if err != nil {
		return cfg, err
	}
	damaged, err := p.store.Damaged(ctx)
	cfg = replication.Config{
		Shop: p.shop.ID, Till: p.of.cloud(), Replica: p.id, Boot: boot, Program: p.of.cfg.Version, Roster: p, Contexts: p.store.Contexts(),
		Digests: p.store.Digests(), Heads: lineage.Heads(p.store.Heads(), p.store.Contexts(), p.id), Jitter: p.jitter, Damaged: damaged, Agreed: agreed,
		Active: p.active, Ended: p.sealed, AuditEvery: auditEvery, Clouds: p.otherClouds,
	}
	p.of.cfg.Draw(cfg.Nonce[:])
	return cfg, err
}

// auditEvery is how often the rows of a shop are compared with a till's; the tills do so hourly among themselves.
const auditEvery = 24 * time.Hour

func (p *Replica) jitter(n time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	var b [8]byte
	p.of.cfg.Draw(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(n))
}

// Engine runs the replica of a shop as [engine.Engine] does, whose methods these are.
type Engine interface {
	Run(ctx context.Context) error
	Serve(ctx context.Context, conn engine.Conn) error
	Commit(ctx context.Context, l replication.Local) (*crdt.Commit, error)
	Ask(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error)
	Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID
}

func newEngine(core replication.Config, cfg engine.Config) Engine {
	cfg.Core = replication.NewCore(core)
	return engine.New(cfg)
}

// failed reports whether the engine ended by itself.
func (p *Replica) failed() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// close ends the sessions and the engine and gives the seat back.
func (p *Replica) close(ctx context.Context) error {
	p.stop()
	<-p.ended
	p.tasks.Wait()
	ctx = context.WithoutCancel(ctx)
	return errors.Join(p.store.Close(), p.of.cfg.Seats.Release(ctx, p.seat))
}

// archived is the store whose commits bring their leaves into the archive with them.
type archived struct {
	*store.Store
	p *Replica
}

// Apply is a method of replication.Store. The leaves are appended in the first transaction that it takes.
func (a archived) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	a.p.staged = nil
	for i := range ops {
		if c := ops[i].Commit; c != nil { // what is there already is passed over; a second commit under one dot is not
			a.p.staged = append(a.p.staged, archive.Entries(a.p.shop.ID, c)...)
		}
	}
	applied, err := a.Store.Apply(ctx, ops)
	a.p.stored(err)
	if err == nil && len(a.p.staged) > 0 {
		a.p.appended.Store(true)
		a.p.archivedNews()
	}
	a.p.staged = nil
	return applied, err
}

// beside appends what is staged to the archive, in the transaction of a commit.
func (p *Replica) beside(ctx context.Context, tx *sqldb.Tx) error {
	if len(p.staged) == 0 {
		return nil
	}
	_, err := p.of.cfg.Logs.Append(ctx, p.of.cfg.DB.In(tx), p.account, p.staged, p.of.cfg.Now())
	return err
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
