package replicas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

// Config is what Replicas need.
type Config struct {
	DB       *database.DB
	Seats    *seats.Server
	Logs     *merkle.Logs
	Accounts *accounts.Accounts
	Version  string       // of this program
	Oldest   string       // program of a till that is let in; what cannot be compared is let in, too. Empty: all are
	Log      *slog.Logger // nil: nothing is logged

	Now  func() time.Time // nil: time.Now
	Draw func(b []byte)   // fills b with random bytes
	// Idle is how long a replica stays open after nobody needs it; zero means a minute.
	Idle time.Duration
	// Engine makes what runs a replica, from the configuration of its core and one without a core. nil: an [engine.Engine]; the
	// simulator brings its own.
	Engine func(core replication.Config, cfg engine.Config) Engine
}

// Replicas are the replicas that are open on this server.
type Replicas struct {
	cfg      Config
	stores   *sql.Shops
	watch    *watch.Watch
	signer   note.Signer
	verifier note.Verifier
	gate     gate // of tills that call

	work   sync.WaitGroup // engines that run
	looked time.Time      // for tills that were cut off; only Beat's

	mu     sync.Mutex
	shops  map[crdt.ShopID]*place
	closed bool
}

// place is where the replica of a shop is, or is being opened or closed. Whoever waits for it does so without Replicas.mu.
type place struct {
	mu      sync.Mutex // held while it is opened or closed
	replica *Replica   // nil: it is not open
	users   int        // guarded by Replicas.mu
	idle    time.Time  // since when there are none; guarded by Replicas.mu
}

// ErrClosed means that this server is stopping.
var ErrClosed = errors.New("this server is stopping")

// New prepares the replicas of a server. Call Run, and Close at the end.
func New(ctx context.Context, cfg Config) (*Replicas, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Idle == 0 {
		cfg.Idle = time.Minute
	}
	if cfg.Engine == nil {
		cfg.Engine = newEngine
	}
	r := &Replicas{cfg: cfg, watch: watch.New(cfg.DB, cfg.Logs), shops: make(map[crdt.ShopID]*place), gate: make(gate, admissions)}
	key := cfg.DB.Installation().Key
	var err error
	if r.signer, err = archive.NewSigner(key); err != nil {
		return nil, err
	}
	if r.verifier, err = archive.NewVerifier(public(key)); err != nil {
		return nil, err
	}
	write, read := cfg.DB.Pools()
	if r.stores, err = sql.OpenShops(ctx, sql.Database{Dialect: cfg.DB.Dialect(), Write: write, Read: read}); err != nil {
		return nil, err
	}
	return r, nil
}

// Run says that this server lives, closes replicas that nobody needs and those whose seat was lost, and hashes, judges and signs
// what is new in the archive, until ctx is done.
func (r *Replicas) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { every(ctx, seats.BeatEvery, r.Beat) })
	parts.Go(func() { every(ctx, signEvery, r.Sign) })
	parts.Wait()
}

const signEvery = 2 * time.Second

func every(ctx context.Context, pause time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Beat says that this server lives, and closes what it must or need not keep open. Run calls it every second.
func (r *Replicas) Beat(ctx context.Context) {
	late, err := r.cfg.Seats.Beat(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Log.Warn("this server could not say that it lives; others may take its shops", "error", err)
		}
		return
	}
	var lost map[crdt.ShopID]seats.Seat
	if late {
		if lost, err = r.lost(ctx); err != nil {
			r.cfg.Log.Warn("which shops this server still has is not known", "error", err)
		}
	}
	for id, p := range r.places() {
		r.tidy(ctx, id, p, lost[id])
	}
	r.lookForRevoked(ctx)
}

// lost returns the seats of shops that are open here and that another server has.
func (r *Replicas) lost(ctx context.Context) (map[crdt.ShopID]seats.Seat, error) {
	open := make(map[crdt.ShopID]seats.Seat)
	for id, p := range r.places() {
		p.mu.Lock()
		if p.replica != nil {
			open[id] = p.replica.seat
		}
		p.mu.Unlock()
	}
	mine, err := r.cfg.Seats.Mine(ctx) // after that: what is opened meanwhile is not lost
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(open, func(id crdt.ShopID, seat seats.Seat) bool { return mine[id] == seat })
	return open, nil
}

func (r *Replicas) places() map[crdt.ShopID]*place {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[crdt.ShopID]*place, len(r.shops))
	for id, p := range r.shops {
		out[id] = p
	}
	return out
}

// tidy closes a replica that nobody used for a while, that failed, or whose seat was lost.
func (r *Replicas) tidy(ctx context.Context, id crdt.ShopID, p *place, lost seats.Seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.mu.Lock()
	unused := p.users == 0 && r.cfg.Now().Sub(p.idle) >= r.cfg.Idle
	r.mu.Unlock()
	if p.replica != nil && (unused || lost == p.replica.seat || p.replica.failed()) {
		if err := p.replica.close(ctx); err != nil {
			r.cfg.Log.Warn("a shop was not closed well", "shop", id, "error", err)
		}
		p.replica = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.replica == nil && p.users == 0 {
		delete(r.shops, id)
	}
}

// use returns the replica of a shop, opened, and what to call when it is needed no more. The error is a *[seats.Held] if another
// server has it.
func (r *Replicas) use(ctx context.Context, shop accounts.Shop) (*Replica, func(), error) {
	p, err := r.place(shop.ID)
	if err != nil {
		return nil, nil, err
	}
	done := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		p.users--
		p.idle = r.cfg.Now()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replica != nil && p.replica.failed() {
		if err := p.replica.close(ctx); err != nil {
			r.cfg.Log.Warn("a shop was not closed well", "shop", shop.ID, "error", err)
		}
		p.replica = nil
	}
	if p.replica == nil {
		if p.replica, err = r.open(ctx, shop); err != nil {
			done()
			return nil, nil, fmt.Errorf("open shop %v: %w", shop.ID, err)
		}
	}
	return p.replica, done, nil
}

// place takes a user's place at a shop.
func (r *Replicas) place(shop crdt.ShopID) (*place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	p := r.shops[shop]
	if p == nil {
		p = new(place)
		r.shops[shop] = p
	}
	p.users++
	return p, nil
}

// Sign judges and signs what is new in the archive of the shops that are open, and looks for gaps in their series. Run calls it every two
// seconds.
func (r *Replicas) Sign(ctx context.Context) {
	done := make(map[archive.AccountID]bool)
	for _, p := range r.places() {
		p.mu.Lock()
		replica := p.replica
		p.mu.Unlock()
		if replica == nil {
			continue
		}
		replica.notice(ctx)
		if done[replica.account] || !replica.appended.Swap(false) {
			continue
		}
		done[replica.account] = true
		if err := r.signAccount(ctx, replica.account); err != nil && ctx.Err() == nil {
			replica.appended.Store(true)
			r.cfg.Log.Error("the archive was not signed", "account", replica.account.String(), "error", err)
		}
	}
}

func (r *Replicas) signAccount(ctx context.Context, account archive.AccountID) error {
	for more := true; more; {
		var err error
		if more, err = r.cfg.Logs.Review(ctx, account, r.cfg.Now()); err != nil {
			return err
		}
	}
	_, err := r.cfg.Logs.Checkpoint(ctx, account, r.cfg.Now(), r.signer)
	return err
}

// Open returns how many shops are open on this server.
func (r *Replicas) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.shops)
}

// Close ends all sessions, closes all replicas and gives their seats back.
func (r *Replicas) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	var errs []error
	for _, p := range r.places() {
		p.mu.Lock()
		if p.replica != nil {
			errs = append(errs, p.replica.close(ctx))
			p.replica = nil
		}
		p.mu.Unlock()
	}
	r.work.Wait()
	r.Sign(ctx)
	errs = append(errs, r.stores.Close(), r.cfg.Seats.Leave(ctx))
	return errors.Join(errs...)
}
