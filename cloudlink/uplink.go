package cloudlink

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// Config is what an Uplink needs. Functions may be called at any time while Run runs, by several goroutines.
type Config struct {
	Self crdt.TillID

	// Dial and Probe call the cloud, see [Dialer].
	Dial  func(ctx context.Context, to Coupling) (*Connection, error)
	Probe func(ctx context.Context, to Coupling) error
	// Serve is the engine's: it speaks over the connection until that ends or ctx does, and closes it.
	Serve func(ctx context.Context, conn engine.Conn) error
	// Ask is the engine's; the cloud is asked under its ID like a till.
	Ask func(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error)

	// Progress returns how far the cloud is; false: not known yet. It is called about once a second while connected, must not
	// block and must not call the Uplink.
	Progress func() (Progress, bool)
	// FirstDone is called once when the first transfer has ended, to keep that. nil: nobody is told.
	FirstDone func()
	// Clock is told samples of the cloud's clock, and how long the question took. nil: nobody is told.
	Clock func(cloudMS int64, round time.Duration)
	// Changed is called after Status changed. It must not block. nil: nobody is told.
	Changed func()

	Now    func() time.Time                    // nil: time.Now
	Jitter func(n time.Duration) time.Duration // returns a number in [0, n)
	Timing election.Timing
	Log    *slog.Logger
}

// askPatience is how long a question to the cloud or to a till may take.
const askPatience = 5 * time.Second

// progressEvery is how often the progress is looked at.
const progressEvery = time.Second

// Uplink keeps a till's uplink. All methods may be called at any time by any goroutine.
type Uplink struct {
	cfg  Config
	wake chan struct{}
	work sync.WaitGroup // what Run started

	mu struct {
		sync.Mutex
		forwarder *Forwarder
		election  *election.Election
		calls     map[uint64]context.CancelFunc // by attempt
		coupling  *Coupling
		looked    time.Time // when progress was looked at
		shown     Status
	}
}

// NewUplink returns an uplink that is on and not coupled; it does nothing until Run.
func NewUplink(cfg Config) *Uplink {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u := &Uplink{cfg: cfg, wake: make(chan struct{}, 1)}
	now := cfg.Now()
	u.mu.forwarder = NewForwarder(cfg.Self, cfg.Jitter, now)
	u.mu.election = election.New(cfg.Self, cfg.Timing, now)
	u.mu.calls = make(map[uint64]context.CancelFunc)
	u.mu.shown = u.mu.forwarder.Status()
	return u
}

// input changes what is known and lets Run look at it.
func (u *Uplink) input(change func(now time.Time)) {
	u.mu.Lock()
	change(u.cfg.Now())
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Switch turns forwarding at this till on or off.
func (u *Uplink) Switch(on bool) {
	u.input(func(now time.Time) { u.mu.forwarder.Switch(now, on) })
}

// Couple says which cloud the shop is coupled with; nil: none. firstDone: FirstDone was called for this coupling before.
func (u *Uplink) Couple(c *Coupling, firstDone bool) {
	u.input(func(now time.Time) {
		u.mu.coupling = c
		u.mu.forwarder.Couple(now, c, firstDone)
	})
}

// Active says which tills the roster has.
func (u *Uplink) Active(tills []crdt.TillID) {
	u.input(func(time.Time) { u.mu.election.Active(tills) })
}

// Links says which tills have a link that is ready, all of them; the cloud's is passed over.
func (u *Uplink) Links(tills []crdt.TillID) {
	u.input(func(now time.Time) { u.mu.election.Links(now, tills) })
}

// Alive says what membership knows of a till.
func (u *Uplink) Alive(till crdt.TillID, alive bool) {
	u.input(func(now time.Time) { u.mu.election.Alive(now, till, alive) })
}

// Networked says that the networks of this machine changed.
func (u *Uplink) Networked() { u.input(func(now time.Time) { u.mu.forwarder.Networked(now) }) }

// Sync calls the cloud at once instead of waiting, if this till is to forward at all, and looks at the progress again.
func (u *Uplink) Sync() { u.input(func(now time.Time) { u.mu.forwarder.Sync(now) }) }

// Heard answers a question of another till under [election.Topic]: it claims something.
func (u *Uplink) Heard(till crdt.TillID, body []byte) (answer []byte, ok bool) {
	claim, err := election.DecodeClaim(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	u.input(func(now time.Time) { u.mu.election.Heard(now, till, claim) })
	return nil, true
}

// Status returns where this till stands.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mu.forwarder.Status()
}

// Tills returns what the other tills of the shop say of themselves, by ID.
func (u *Uplink) Tills() []election.Known {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mu.election.Known(u.cfg.Now())
}

// Run keeps the uplink until ctx is done. No goroutine that it started is left then.
func (u *Uplink) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer u.work.Wait()
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-u.wake:
		}
		next, changed := u.step(ctx)
		if changed && u.cfg.Changed != nil {
			u.cfg.Changed()
		}
		timer.Reset(next)
	}
}

// step does what is due and returns the time until something may be again.
func (u *Uplink) step(ctx context.Context) (next time.Duration, changed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.cfg.Now()
	f, e := u.mu.forwarder, u.mu.election
	connected := f.Status().Connected
	if connected && now.Sub(u.mu.looked) >= progressEvery {
		u.mu.looked = now
		if p, known := u.cfg.Progress(); known {
			f.Told(now, p)
		}
	}
	for {
		e.Own(now, f.Claim(now))
		f.Elected(now, e.Decide(now))
		steps := f.Do(now)
		if len(steps) == 0 {
			break
		}
		for _, s := range steps {
			u.doLocked(ctx, s)
		}
	}
	for _, till := range e.Due(now) {
		e.Telling(now, till)
		claim := e.Claim(now).Encode()
		u.work.Go(func() { u.tell(ctx, till, claim) })
	}
	until := e.Next(now)
	if at := f.Next(now); !at.IsZero() && at.Before(until) {
		until = at
	}
	if at := u.mu.looked.Add(progressEvery); connected && at.Before(until) {
		until = at
	}
	status := f.Status()
	changed = !sameStatus(status, u.mu.shown)
	u.mu.shown = status
	return max(until.Sub(now), time.Millisecond), changed
}

// sameStatus reports whether two look the same; when the cloud answered last does not count.
func sameStatus(a, b Status) bool {
	return a.State == b.State && a.Cause == b.Cause && a.Uplink == b.Uplink && a.Holder == b.Holder && a.Term == b.Term &&
		a.Connected == b.Connected && a.Text == b.Text && a.Progress.equal(b.Progress)
}

func (u *Uplink) tell(ctx context.Context, till crdt.TillID, claim []byte) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if _, err := u.cfg.Ask(ctx, till, election.Topic, claim); err != nil { // an older program does not know it
		u.cfg.Log.Debug("a till was not told who forwards to the cloud", "till", till.Short(), "error", err)
	}
	u.input(func(time.Time) { u.mu.election.Told(till) })
}
