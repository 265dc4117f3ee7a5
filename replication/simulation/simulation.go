// Package simulation runs whole shops in one goroutine: the same replication.Core and the same store rules as a till,
// over a network, disks and a clock that obey one seed. The same seed gives the same run, byte for byte.
//
// Every till has a memory.Disk, the rows port, store.Store and Core of its own. Frames pass the real codec. The faults
// are those of a bad day: cuts at any moment, stalled directions, frames that are lost, doubled or overtaken, kills
// between any two steps, failed and half-answered writes, full disks, failed reads.
//
// After every step an oracle that knows all commits compares each store with what it ought to hold, and everything
// that is sent or acknowledged with what a power cut now would leave. At the end all faults stop and the shop has to
// become equal and fall silent.
//
// # Use
//
// Run one seed with a Runner. A Plant switches a mistake on that the run has to notice; plants live in wrappers around
// the parts under test, never inside them.
package simulation

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"time"
)

// Options say what to run.
type Options struct {
	Seed  uint64
	Plant Plant     // a mistake to be noticed; zero: none
	Trace io.Writer // where to write what happens, in plain words; nil: nowhere
}

// Result tells how a run went.
type Result struct {
	Hash    [32]byte      // over everything that happened, in order
	Tills   int           //
	Steps   int           // events
	Frames  int           // messages sent
	Commits int           // that became durable
	Claims  uint64        // claims taken, over the last life of each till
	Kills   int           //
	Settled time.Duration // virtual time from the end of the faults to equality
}

// ErrViolation is wrapped by the error of a run that broke a rule.
var ErrViolation = errors.New("the simulated shop broke a rule")

// Runner runs seeds, one at a time. It is not safe for concurrent use.
type Runner struct{ frames *frames }

// NewRunner returns a runner. Call Close when done.
func NewRunner() (*Runner, error) {
	f, err := newFrames()
	if err != nil {
		return nil, err
	}
	return &Runner{frames: f}, nil
}

// Close releases what the runner holds.
func (r *Runner) Close() { r.frames.close() }

// Run runs one seed. The error wraps ErrViolation if a rule was broken.
func (r *Runner) Run(o Options) (Result, error) {
	w := newWorld(o, r.frames)
	w.chaos()
	w.settle()
	w.silence()
	copy(w.result.Hash[:], w.hash.Sum(nil))
	w.result.Steps, w.result.Tills = w.steps, len(w.tills)
	w.result.Commits = w.oracle.count()
	for _, t := range w.tills {
		if t.up {
			w.result.Claims += t.core.Stats().Claims
		}
	}
	return w.result, w.err
}

// start is when every simulated shop opens.
var start = time.Unix(1_800_000_000, 0)

// world is one simulated shop.
type world struct {
	opt    Options
	rand   *rand.Rand
	plan   plan
	frames *frames
	now    time.Time
	queue  queue
	events uint64
	steps  int
	tills  []*till
	pairs  []*pair
	oracle *oracle
	items  []emitted // items written so far, to be written again elsewhere
	healed bool
	hash   hash.Hash
	result Result
	err    error
}

// plan is what a seed wants to happen.
type plan struct {
	tills  int
	chain  bool          // every till reaches its neighbours only
	chaos  time.Duration // how long there are faults
	writes int
	wild   bool // frames are lost, doubled and overtaken, as no TCP connection does
	loss   int  // percent, if wild
	twice  int  // percent, if wild
	delay  time.Duration
	cuts   int
	snaps  int // cuts while an answer is on its way
	stalls int
	kills  int
	deaths int // kills after a write that nobody learned of
	disk   int // percent of writes that fail in some way
	read   int // percent of reads that fail
	chunk  int // bytes of a read
	batch  int // bytes of a transaction
	fsync  time.Duration
	big    bool // some values are large
}

func newPlan(r *rand.Rand) plan {
	p := plan{
		tills: 2 + min(r.IntN(5), r.IntN(5)), chain: r.IntN(4) == 0, chaos: time.Duration(2+r.IntN(20)) * time.Second,
		writes: 5 + r.IntN(45), wild: r.IntN(3) == 0, delay: time.Duration(1+r.IntN(20)) * time.Millisecond,
		cuts: r.IntN(6), stalls: r.IntN(3), kills: r.IntN(5), chunk: 1 + r.IntN(3000), batch: 1 + r.IntN(4000),
		fsync: time.Duration(1+r.IntN(10)) * time.Millisecond, big: r.IntN(50) == 0,
	}
	if r.IntN(5) == 0 {
		p.chaos *= 5
	}
	if r.IntN(6) == 0 {
		p.delay *= 20
	}
	if r.IntN(6) == 0 {
		p.fsync *= 30
	}
	if r.IntN(2) == 0 {
		p.disk = r.IntN(8)
	}
	if r.IntN(4) == 0 {
		p.read = r.IntN(10)
	}
	if r.IntN(2) == 0 {
		p.snaps, p.deaths = r.IntN(8), r.IntN(3)
	}
	if p.wild {
		p.loss, p.twice = r.IntN(15), r.IntN(15)
	}
	return p
}

func newWorld(o Options, f *frames) *world {
	w := &world{
		opt: o, rand: rand.New(rand.NewPCG(o.Seed, 0x7469_6c6c)), frames: f, now: start,
		oracle: newOracle(), hash: sha256.New(),
	}
	w.plan = newPlan(w.rand)
	o.Plant.provoke(&w.plan)
	for n := range w.plan.tills {
		w.tills = append(w.tills, newTill(w, n))
	}
	for i, a := range w.tills {
		for _, b := range w.tills[:i] {
			if !w.plan.chain || a.n == b.n+1 {
				w.pairs = append(w.pairs, &pair{w: w, tills: [2]*till{b, a}})
			}
		}
	}
	return w
}

// chaos writes and breaks things.
func (w *world) chaos() {
	w.trace("plan %+v", w.plan)
	for _, t := range w.tills {
		w.at(w.under(time.Second), t.start)
	}
	for _, p := range w.pairs {
		w.at(w.under(2*time.Second), p.dial)
	}
	for range w.plan.writes {
		t := w.tills[w.rand.IntN(len(w.tills))]
		w.at(w.under(w.plan.chaos), func() { t.propose() })
	}
	for range w.plan.cuts {
		p := w.pairs[w.rand.IntN(len(w.pairs))]
		w.at(w.under(w.plan.chaos), func() { p.cut(w.under(w.plan.chaos / 2)) })
	}
	for range w.plan.stalls {
		p, side := w.pairs[w.rand.IntN(len(w.pairs))], w.rand.IntN(2)
		w.at(w.under(w.plan.chaos), func() { p.stall(side, w.under(w.plan.chaos/2)) })
	}
	for range w.plan.kills {
		t := w.tills[w.rand.IntN(len(w.tills))]
		w.at(w.under(w.plan.chaos), func() { t.kill(w.rand.IntN(4) == 0) })
	}
	w.run(start.Add(w.plan.chaos))
}

// patience is how long a shop without faults may take until all its tills are equal. Nearly all runs need less than a
// second; what is lost without a cut has to wait for timers, some of which follow each other.
const patience = 4 * time.Minute

// settle ends the faults and waits until all tills are equal and nothing moves.
func (w *world) settle() {
	w.healed = true
	w.trace("the faults end")
	healed := w.now
	for _, t := range w.tills {
		if !t.up {
			w.at(w.under(100*time.Millisecond), t.start)
		}
	}
	for _, p := range w.pairs {
		p.heal()
	}
	for w.err == nil && !w.equal() {
		if w.now.Sub(healed) > patience {
			w.fail("the tills are not equal %v after the last fault: %s", patience, w.differences())
			return
		}
		w.run(w.now.Add(100 * time.Millisecond))
	}
	w.result.Settled = w.now.Sub(healed)
	// What is still on its way may only confirm.
	w.run(w.now.Add(time.Minute))
	w.oracle.atRest(w)
}

// silence checks that a shop at rest only says hello.
func (w *world) silence() {
	before := make(map[*till]int)
	for _, t := range w.tills {
		before[t] = t.chatter
		t.hellos = 0
	}
	w.run(w.now.Add(70 * time.Second))
	for _, t := range w.tills {
		if t.chatter != before[t] {
			w.fail("till %d still sends %d messages that are no Hello", t.n, t.chatter-before[t])
		}
		// Every 30 s at least, on every link.
		if n := len(t.ends); t.hellos < n || t.hellos > 3*n {
			w.fail("till %d said hello %d times on %d links within 70 s", t.n, t.hellos, n)
		}
	}
}

// equal reports whether all tills are up, agree, and have nothing left to write.
func (w *world) equal() bool {
	for _, t := range w.tills {
		if !t.up || t.writing || t.core.Waiting() > 0 {
			return false
		}
		for _, scope := range scopes { // cheaper than the hash, and nearly always enough to see a difference
			if t.core.Digest(scope) != w.tills[0].core.Digest(scope) {
				return false
			}
		}
	}
	state := w.tills[0].core.StateHash()
	for _, t := range w.tills[1:] {
		if t.core.StateHash() != state {
			return false
		}
	}
	return true
}

func (w *world) differences() string {
	var out string
	for _, t := range w.tills {
		if !t.up {
			out += fmt.Sprintf("; till %d is down", t.n)
			continue
		}
		out += fmt.Sprintf("; till %d state %x", t.n, t.core.StateHash())
		for _, s := range t.core.Scopes() {
			out += fmt.Sprintf(" %v: %v", s, t.core.Context(s))
		}
	}
	return out
}

// run steps until a time; nothing happens once a rule is broken.
func (w *world) run(until time.Time) {
	for w.err == nil && len(w.queue) > 0 && !w.queue[0].at.After(until) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.steps++
		e.do()
	}
	if w.now.Before(until) {
		w.now = until
	}
}

// at does something later.
func (w *world) at(in time.Duration, do func()) {
	w.events++
	heap.Push(&w.queue, event{at: w.now.Add(in), id: w.events, do: do})
}

// under returns a time between nothing and limit.
func (w *world) under(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(w.rand.Int64N(int64(limit)))
}

func (w *world) percent(n int) bool { return n > 0 && w.rand.IntN(100) < n }

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: seed %d after %v: %s", ErrViolation, w.opt.Seed, w.now.Sub(start), fmt.Sprintf(format, args...))
		w.trace("VIOLATION %s", fmt.Sprintf(format, args...))
	}
}

// trace writes a line for people.
func (w *world) trace(format string, args ...any) {
	if w.opt.Trace != nil {
		fmt.Fprintf(w.opt.Trace, "%12.6f %s\n", w.now.Sub(start).Seconds(), fmt.Sprintf(format, args...))
	}
}

// note adds something that happened to the hash of the run.
func (w *world) note(kind byte, n int, data []byte) {
	var b [24]byte
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(n))
	binary.BigEndian.PutUint64(b[8:], uint64(w.now.Sub(start)))
	binary.BigEndian.PutUint64(b[16:], uint64(len(data)))
	w.hash.Write(b[:])
	w.hash.Write(data)
}

type event struct {
	at time.Time
	id uint64
	do func()
}

// queue orders events by time, and those of one time by when they were planned.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].id < q[j].id
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is a method of heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

// Pop is a method of heap.Interface.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
