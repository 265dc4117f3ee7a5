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
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// ErrViolation is wrapped by the error of a run that broke a rule.
var ErrViolation = errors.New("the simulated shop broke a rule")

// Epoch is when every world begins. It is also what the wall clocks of machines show then.
var Epoch = time.Unix(1_800_000_000, 0)

// Options say how a world begins.
type Options struct {
	Seed  uint64    // of everything that is left to chance
	Trace io.Writer // where to write what happens, in plain words; nil: nowhere
	Codec *Codec    // of the frames; nil: the world makes its own
	Plant Plant     // a mistake to be noticed; PlantNone: none
}

// Conditions hold all the time, unlike faults that happen at a moment. The zero value is the best of all shops.
type Conditions struct {
	Latency  time.Duration // a frame takes up to this
	Fsync    time.Duration // a write takes up to twice this
	Notice   time.Duration // a side learns up to so late that a connection is gone
	Batch    int           // bytes of a transaction; 0: as an engine has it
	Read     int           // bytes of one read of an answer; 0: what the core asks for
	Loss     int           // percent of frames that are lost, as no TCP connection does
	Twice    int           // percent of frames that come twice, as no TCP connection does
	Overtake bool          // frames overtake each other, as no TCP connection lets them
	BadWrite int           // percent of writes that fail in some way
	BadRead  int           // percent of reads that fail
	Deaths   int           // how many processes may still die right after a write that nobody learned of
}

// Calm are conditions without any fault.
func Calm() Conditions {
	return Conditions{Latency: 2 * time.Millisecond, Fsync: 2 * time.Millisecond, Notice: time.Second}
}

// World is a set of machines, the network between them and the time they share. One goroutine at a time may use it and
// everything that belongs to it; it starts none and locks nothing.
type World struct {
	Conditions Conditions

	opt      Options
	rand     *rand.Rand
	codec    *Codec
	own      bool // the codec is the world's
	now      time.Time
	queue    queue
	planned  uint64
	steps    int
	machines []*Machine
	pairs    map[[2]int]*pair
	traps    []*trap
	oracle   *oracle
	hash     hash.Hash
	counts   Counts
	strays   int // frames that arrived when nobody awaited them any more
	faults   map[string]int
	err      error
}

// Counts are what happened in a world so far.
type Counts struct {
	Steps   int // events
	Frames  int // messages sent
	Commits int // that became durable
	Claims  int // taken
	Starts  int // of programs
}

// NewWorld returns a world without machines. Call Close when done with it.
func NewWorld(o Options) (*World, error) {
	w := &World{
		Conditions: Calm(), opt: o, codec: o.Codec, rand: rand.New(rand.NewPCG(o.Seed, 0x7469_6c6c)), now: Epoch,
		pairs: make(map[[2]int]*pair), oracle: newOracle(), hash: sha256.New(), faults: make(map[string]int),
	}
	if w.codec == nil {
		var err error
		if w.codec, err = NewCodec(); err != nil {
			return nil, err
		}
		w.own = true
	}
	return w, nil
}

// Close ends every life, as if the power went everywhere, and releases what the world holds.
func (w *World) Close() {
	for _, m := range w.machines {
		m.PowerCut()
	}
	if w.own {
		w.codec.Close()
		w.own = false
	}
}

// Now returns the true time, which nobody in the world knows; see Machine.Wall for what a program may ask.
func (w *World) Now() time.Time { return w.now }

// Elapsed returns the time since the Epoch.
func (w *World) Elapsed() time.Duration { return w.now.Sub(Epoch) }

// Rand returns the source of all chance.
func (w *World) Rand() *rand.Rand { return w.rand }

// Seed returns the seed of the world.
func (w *World) Seed() uint64 { return w.opt.Seed }

// Under returns a time of at least nothing and less than limit.
func (w *World) Under(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(w.rand.Int64N(int64(limit)))
}

// Percent is true in n of 100 cases.
func (w *World) Percent(n int) bool { return n > 0 && w.rand.IntN(100) < n }

// Machines returns all machines in the order they were added.
func (w *World) Machines() []*Machine { return slices.Clone(w.machines) }

// Machine returns the n-th machine, from 0 on.
func (w *World) Machine(n int) *Machine { return w.machines[n] }

// At plans something: do is called by Run when so much time has passed. What is planned for one moment happens in the
// order in which it was planned.
func (w *World) At(in time.Duration, do func()) {
	w.planned++
	heap.Push(&w.queue, event{at: w.now.Add(max(in, 0)), id: w.planned, do: do})
}

// Run lets things happen until the time has come, or a rule is broken.
func (w *World) Run(until time.Time) {
	for w.err == nil && len(w.queue) > 0 && !w.queue[0].at.After(until) {
		w.step()
	}
	if w.now.Before(until) {
		w.now = until
	}
}

// RunFor is Run for a length of time.
func (w *World) RunFor(length time.Duration) { w.Run(w.now.Add(length)) }

// RunUntil lets things happen until done is true, which is asked about ten times a second, or the time is over or a rule
// is broken. It reports whether done was true.
func (w *World) RunUntil(length time.Duration, done func() bool) bool {
	for end := w.now.Add(length); !done(); {
		if w.err != nil || !w.now.Before(end) {
			return false
		}
		w.RunFor(min(100*time.Millisecond, end.Sub(w.now)))
	}
	return true
}

func (w *World) step() {
	e := heap.Pop(&w.queue).(event)
	if e.at.After(w.now) {
		w.now = e.at
	}
	w.steps++
	e.do()
}

// Jump lets time pass in which nothing happens, as if everything had been suspended: what was due, and what was on its
// way, happens late.
func (w *World) Jump(length time.Duration) {
	w.now = w.now.Add(length)
	w.Trace("everything stands still for %v", length)
	w.Count("jump")
}

// Fail notes that a rule was broken: nothing happens any more. Only the first call counts.
func (w *World) Fail(format string, args ...any) {
	if w.err == nil {
		text := fmt.Sprintf(format, args...)
		w.err = fmt.Errorf("%w: seed %d after %v: %s", ErrViolation, w.opt.Seed, w.Elapsed(), text)
		w.Trace("VIOLATION %s", text)
	}
}

// Err returns what Fail noted, wrapping ErrViolation, nil if all is well.
func (w *World) Err() error { return w.err }

// Tracing reports whether anybody reads the trace; to save the work of making it.
func (w *World) Tracing() bool { return w.opt.Trace != nil }

// Trace writes a line for people.
func (w *World) Trace(format string, args ...any) {
	if w.opt.Trace != nil {
		// A trace that cannot be written is of no use to a run, and no reason to end it.
		_, _ = fmt.Fprintf(w.opt.Trace, "%12.6f %s\n", w.Elapsed().Seconds(), fmt.Sprintf(format, args...))
	}
}

// Note adds something that happened to the hash of the run.
func (w *World) Note(kind byte, n int, data []byte) {
	var b [24]byte
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(n))
	binary.BigEndian.PutUint64(b[8:], uint64(w.Elapsed()))
	binary.BigEndian.PutUint64(b[16:], uint64(len(data)))
	w.hash.Write(b[:])
	w.hash.Write(data)
}

// Hash returns a hash over everything that happened so far, in order: the same seed and the same calls give the same.
func (w *World) Hash() [32]byte { return [32]byte(w.hash.Sum(nil)) }

// Count notes that a fault happened, by its name.
func (w *World) Count(fault string) { w.faults[fault]++ }

// Counts returns what happened so far, and how often each fault did, by name.
func (w *World) Counts() (c Counts, faults map[string]int) {
	c = w.counts
	c.Steps, c.Commits = w.steps, w.oracle.count()
	return c, w.faults
}

// running returns the lives of all machines whose program runs, in order.
func (w *World) running() []*Life {
	var out []*Life
	for _, m := range w.machines {
		if m.life != nil {
			out = append(out, m.life)
		}
	}
	return out
}

// named returns what people call a till: the machine that has its key first.
func (w *World) named(till crdt.TillID) string {
	for _, m := range w.machines {
		if m.till == till {
			return m.name
		}
	}
	return till.Short()
}
