package simulation

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The times of an engine.
const (
	batchBytes  = 900 << 10
	settleAfter = 20 * time.Millisecond
	askPatience = 5 * time.Second
	maxFlying   = 8 // frames on their way before a link is given no more
)

// Life is one run of a program on a machine. It drives a replication.Core over the simulated disk and network as an
// engine with many goroutines would: every read, write and answer is a step of its own, so anything can come between.
type Life struct {
	m      *Machine
	w      *World
	number int
	opened Opened
	core   *replication.Core
	up     bool

	ends      []*end
	pumping   bool
	stopping  bool
	ticking   time.Time
	writing   bool
	unsettled bool
	writes    int // batches so far
	waiters   map[uint64]func(replication.Result)
	asks      map[askKey]func([]byte, error)
	doubt     *replication.DoubtError
	nonce     [16]byte
	auditing  bool // rows are being read for an audit
	routines  []*routine

	chatter  int // messages sent that are neither Hello nor part of an audit
	moved    int // of those, the ones that are no question or answer either
	hellos   int
	streamed map[scopedDot]crdt.Context // for PlantStreams
}

type askKey struct {
	link replication.LinkID
	id   uint64
}

func newLife(m *Machine) *Life {
	return &Life{
		m: m, w: m.w, number: m.lives,
		waiters: make(map[uint64]func(replication.Result)), asks: make(map[askKey]func([]byte, error)),
	}
}

// begin makes the core and lets things happen.
func (l *Life) begin(o Opened) {
	l.opened, l.up, l.m.life = o, true, l
	if l.opened.Heads == nil {
		l.opened.Heads = o.Store.Heads()
	}
	binary.BigEndian.PutUint64(l.nonce[:], l.w.rand.Uint64())
	cfg := replication.Config{
		Shop: o.Shop, Till: l.m.till, Replica: o.Replica, Boot: o.Boot, Nonce: l.nonce, Program: "simulation", Roster: o.Roster,
		Contexts: o.Store.Contexts(), Digests: o.Store.Digests(), Heads: l.opened.Heads, Jitter: l.w.Under,
	}
	if o.Configure != nil {
		o.Configure(&cfg)
	}
	l.core = replication.NewCore(cfg)
	l.core.SetWall(l.m.clock.Offset())
	l.w.counts.Starts++
	l.w.Trace("%s runs as %s, start %d", l.m.name, o.Replica.String()[:8], o.Boot)
	l.w.oracle.started(l)
	l.m.program.Started(l)
	l.w.reach(l.m)
	l.poke()
}

// Machine returns what the life runs on.
func (l *Life) Machine() *Machine { return l.m }

// World returns the world of the life.
func (l *Life) World() *World { return l.w }

// Number counts the lives of the machine, from 1 on.
func (l *Life) Number() int { return l.number }

// Up reports whether the life goes on.
func (l *Life) Up() bool { return l.up }

// Opened returns what Program.Open returned.
func (l *Life) Opened() Opened { return l.opened }

// Nonce returns what the life is known by in its Hellos.
func (l *Life) Nonce() [16]byte { return l.nonce }

// Core returns the state machine, to look at it.
func (l *Life) Core() *replication.Core { return l.core }

// After does something later in this life; it does not happen if the life is over by then.
func (l *Life) After(in time.Duration, do func()) {
	l.w.At(in, func() {
		if l.up {
			do()
		}
	})
}

// Propose queues an own change. done is called with the answer once it is durable or has failed; not at all if the life
// ends by a kill or a power cut before.
func (l *Life) Propose(local replication.Local, done func(replication.Result)) {
	if !l.up || l.stopping {
		done(replication.Result{Err: engine.ErrStopped})
		return
	}
	ticket := l.core.Propose(local)
	l.waiters[ticket] = done
	if l.w.Tracing() {
		l.w.Trace("%s proposes %d: %s in %v", l.m.name, ticket, describePieces(local.Pieces), local.Scope)
	}
	l.poke()
}

// State returns what status pages show of the replication.
func (l *Life) State() engine.State {
	s := engine.State{
		Links: l.core.Links(), Hash: l.core.StateHash(), Stats: l.core.Stats(), Waiting: l.core.Waiting(),
		Damaged: l.core.Damaged(), Audits: l.core.Audits(),
	}
	if l.doubt != nil {
		s.Doubt = l.doubt.Text
	}
	for _, scope := range l.core.Scopes() {
		s.Scopes = append(s.Scopes, engine.ScopeState{Scope: scope, Context: l.core.Context(scope).Hash(), Digest: l.core.Digest(scope)})
	}
	return s
}

// Moved counts the messages sent that are about data: no Hello, no audit, no question or answer.
func (l *Life) Moved() int { return l.moved }

// Holders returns the other tills known to hold a commit durably.
func (l *Life) Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID { return l.core.Holders(scope, d) }

// End ends the life as if the program had ended by itself, such as after an error it cannot live with. Its store is
// closed.
func (l *Life) End(why error) { l.end(why) }

// audit reads rows if an audit wants some; what it found the core is told later.
func (l *Life) audit() {
	rows, ok := l.opened.Store.(replication.Auditor)
	if !ok || !l.up || l.auditing {
		return
	}
	read, ok := l.core.NextAudit()
	if !ok {
		return
	}
	l.auditing = true
	l.After(l.w.Under(5*time.Millisecond), func() {
		found, err := rows.Audit(background, read)
		found = l.w.opt.Plant.audited(found)
		l.After(l.w.Under(5*time.Millisecond), func() {
			l.auditing = false
			l.core.AuditDone(l.w.now, found, err)
			l.poke()
		})
	})
}

// stop ends the life once what waits is written.
func (l *Life) stop() {
	if !l.up || l.stopping {
		return
	}
	l.stopping = true
	for _, e := range slices.Clone(l.ends) {
		e.close("its till stops")
	}
	l.poke()
}

// stopped ends the life if it was told to and nothing is left to write.
func (l *Life) stopped() {
	if l.up && l.stopping && !l.writing && l.core.Waiting() == 0 {
		l.settle()
		l.end(ErrStopped)
	}
}

// end ends the life. What happens to the disks depends on why.
func (l *Life) end(why error) {
	if !l.up {
		return
	}
	l.w.Trace("%s is down: %v", l.m.name, why)
	l.w.Note('k', l.m.n, nil)
	l.up = false
	if l.opened.Elsewhere {
		l.m.rested, l.m.check.kept = maps.Clone(l.opened.Store.Contexts()), nil
	}
	l.m.hanging = l.unsettled
	switch {
	case errors.Is(why, ErrKilled):
		l.m.data.Kill()
	case errors.Is(why, ErrPowerCut):
		if l.m.lies && l.unsettled {
			// What the record calls pending may be lost unnoticed, see store.Guard: nobody promises more.
			l.w.Count("lie spared")
			l.m.data.Sync()
		}
		l.m.data.Crash()
		l.m.state.Crash()
		l.w.oracle.crashed(l.m)
	default:
		if err := l.opened.Store.Close(); err != nil {
			l.w.Fail("%s does not close its store: %v", l.m.name, err)
		}
	}
	for _, e := range slices.Clone(l.ends) {
		e.close("its till is down")
	}
	l.ends, l.m.life = nil, nil
	l.stopRoutines()
	l.m.program.Stopped(l, why)
}

// poke makes the life look after its core soon.
func (l *Life) poke() {
	if l.up && !l.pumping {
		l.pumping = true
		l.After(l.w.Under(2*time.Millisecond), l.pump)
	}
}

// pump does what an engine does after every input: send, read, write, watch the clock.
func (l *Life) pump() {
	l.pumping = false
	l.core.SetWall(l.m.clock.Offset())
	if l.heed(); !l.up {
		return
	}
	for _, e := range slices.Clone(l.ends) {
		if e.flying >= maxFlying {
			continue
		}
		for _, m := range l.core.Next(e.link) {
			e.send(m)
		}
		if !l.up {
			return
		}
		if r, ok := l.core.NextRead(e.link); ok {
			l.After(l.w.Under(3*time.Millisecond), func() { l.read(r) })
		}
	}
	l.write()
	l.audit()
	if at := l.core.Deadline(); l.up && !at.IsZero() && (l.ticking.IsZero() || at.Before(l.ticking)) {
		l.ticking = at
		l.After(at.Sub(l.w.now), func() { l.tick(at) })
	}
}

func (l *Life) tick(at time.Time) {
	if !l.ticking.Equal(at) {
		return
	}
	l.ticking = time.Time{}
	l.core.Tick(l.w.now)
	if next := l.core.Deadline(); !next.IsZero() && !next.After(l.w.now) {
		l.w.Fail("%s: its deadline %v is not after the tick at %v", l.m.name, next.Sub(Epoch), l.w.Elapsed())
	}
	l.poke()
}

// OpenRows opens the rows on the machine's data disk; see memory.Disk.Open for its errors. The program closes them only
// if its Open fails later on; else they end with the life.
func (l *Life) OpenRows() (rows.Store, error) {
	r, err := l.m.data.Open()
	if err != nil {
		return nil, err
	}
	return l.w.opt.Plant.rows(l, r), nil
}
