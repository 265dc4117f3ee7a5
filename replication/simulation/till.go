package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

var errRead = errors.New("the read failed")

// shopID is the shop of all simulated tills.
var shopID = crdt.ShopID{0x5a}

// till drives one Core and one Store, as an engine with many goroutines would: every read, write and answer is a step
// of its own, so anything can come between.
type till struct {
	w       *world
	n       int
	id      crdt.TillID
	replica crdt.ReplicaID
	disk    *memory.Disk
	old     *memory.Disk // a copy of the disk, for PlantRestored

	life    int // starts so far; what was planned in an earlier life does not happen
	up      bool
	store   *store.Store
	core    *replication.Core
	ends    []*end
	pumping bool
	ticking time.Time
	writing bool
	kept    map[crdt.Scope]crdt.Context // what a power cut now would leave; nil: not looked up yet

	ref     *crdt.State // what the store ought to hold
	applied map[scopedDot]bool
	counter uint64 // value of the note written last
	noted   uint64 // value of the note acknowledged last
	chatter int    // messages sent that are no Hello
	hellos  int
}

func newTill(w *world, n int) *till {
	t := &till{w: w, n: n, disk: memory.NewDisk()}
	binary.BigEndian.PutUint64(t.id[:], w.rand.Uint64())
	t.id[31] = byte(n)
	binary.BigEndian.PutUint64(t.replica[:], w.rand.Uint64())
	t.replica[15] = byte(n + 1)
	t.disk.Lie(w.opt.Plant == PlantLyingDisk)
	return t
}

// roster knows whose replicas are whose.
type roster struct{ w *world }

// MayPush is a method of replication.Roster.
func (r roster) MayPush(id crdt.TillID, c *crdt.Commit) bool {
	return slices.ContainsFunc(r.w.tills, func(t *till) bool { return t.id == id && t.replica == c.Dot.Replica })
}

// start opens the store and begins a new life.
func (t *till) start() {
	if t.up || t.w.err != nil {
		return
	}
	t.life++
	t.w.opt.Plant.restore(t)
	disk, err := t.disk.Open()
	if err != nil {
		t.w.fail("till %d does not open its disk: %v", t.n, err)
		return
	}
	ctx := context.Background()
	if t.store, err = store.Open(ctx, t.w.opt.Plant.rows(t, disk)); err != nil {
		t.w.fail("till %d does not open its store: %v", t.n, err)
		return
	}
	boot, err := t.store.NextBoot(ctx, t.w.now.Unix())
	if err != nil {
		t.w.fail("till %d gets no boot number: %v", t.n, err)
		return
	}
	t.up, t.writing, t.pumping, t.ticking, t.ends, t.kept = true, false, false, time.Time{}, nil, nil
	var nonce [16]byte
	binary.BigEndian.PutUint64(nonce[:], t.w.rand.Uint64())
	t.core = replication.NewCore(replication.Config{
		Shop: shopID, Till: t.id, Replica: t.replica, Boot: boot, Nonce: nonce, Program: "simulation", Roster: roster{t.w},
		Contexts: t.store.Contexts(), Digests: t.store.Digests(), Heads: t.store.Heads(),
		Jitter: t.w.under,
	})
	t.w.note('u', t.n, nil)
	t.w.trace("till %d starts as %s, start %d", t.n, t.replica.String()[:8], boot)
	t.w.oracle.started(t.w, t)
}

// kill ends the till between two steps; softly means that its store is closed. It starts again later.
func (t *till) kill(softly bool) {
	if !t.up {
		return
	}
	t.w.trace("till %d dies, softly %v", t.n, softly)
	t.w.note('k', t.n, nil)
	t.w.result.Kills++
	t.up = false
	t.life++
	if t.w.opt.Plant == PlantRestored && t.old == nil {
		t.old = t.disk.Clone()
	}
	if softly {
		if err := t.store.Close(); err != nil {
			t.w.fail("till %d does not close its store: %v", t.n, err)
		}
	} else {
		t.disk.Crash()
	}
	for _, e := range slices.Clone(t.ends) {
		e.close("its till died")
	}
	t.ends = nil
	t.w.at(t.w.under(5*time.Second), t.start)
}

// after does something later in this life.
func (t *till) after(in time.Duration, do func()) {
	life := t.life
	t.w.at(in, func() {
		if t.up && t.life == life {
			do()
		}
	})
}

// poke makes the till look after its core soon.
func (t *till) poke() {
	if t.up && !t.pumping {
		t.pumping = true
		t.after(t.w.under(2*time.Millisecond), t.pump)
	}
}

// pump does what an engine does after every input: send, read, write, watch the clock.
func (t *till) pump() {
	t.pumping = false
	t.heed()
	for _, e := range slices.Clone(t.ends) {
		if e.flying >= 8 {
			continue
		}
		for _, m := range t.core.Next(e.link) {
			e.send(m)
		}
		if r, ok := t.core.NextRead(e.link); ok {
			t.after(t.w.under(3*time.Millisecond), func() { t.read(r) })
		}
	}
	if ops := t.core.Take(t.w.plan.batch); len(ops) > 0 {
		t.writing = true
		t.after(t.w.under(t.w.plan.fsync), func() { t.flush(ops) })
	}
	for _, r := range t.core.Refused() {
		t.w.fail("till %d refuses an own change: %v", t.n, r.Err)
	}
	if at := t.core.Deadline(); !at.IsZero() && (t.ticking.IsZero() || at.Before(t.ticking)) {
		t.ticking = at
		t.after(max(0, at.Sub(t.w.now)), func() { t.tick(at) })
	}
}

func (t *till) tick(at time.Time) {
	if !t.ticking.Equal(at) {
		return
	}
	t.ticking = time.Time{}
	t.core.Tick(t.w.now)
	if next := t.core.Deadline(); !next.IsZero() && !next.After(t.w.now) {
		t.w.fail("till %d: its deadline %v is not after the tick at %v", t.n, next.Sub(start), t.w.now.Sub(start))
	}
	t.poke()
}

// heed looks at what the core has to say.
func (t *till) heed() {
	for _, ev := range t.core.Events() {
		switch ev.Kind {
		case replication.EventDoubt:
			t.w.fail("till %d doubts its store: %s", t.n, ev.Text)
		case replication.EventNotice:
			t.w.trace("till %d notices: %s", t.n, ev.Text)
		}
	}
	if s := t.core.Stats(); s.Forks > 0 || s.DigestsDiffer > 0 || s.PushesRefused > 0 {
		t.w.fail("till %d counted %d forks, %d different digests, %d pushes refused", t.n, s.Forks, s.DigestsDiffer, s.PushesRefused)
	}
}

// read performs a read; its answer comes later.
func (t *till) read(r replication.Read) {
	var list [][]byte
	var err error
	at := r.At
	if r.Dots != nil {
		list, err = t.store.ByDot(context.Background(), r.Scope, r.Dots)
	} else {
		list, at, err = t.store.Live(context.Background(), r.Scope, r.Want, r.At, t.w.plan.chunk)
	}
	if err != nil && !errors.Is(err, rows.ErrFailed) {
		t.w.fail("till %d does not read: %v", t.n, err)
	}
	if !t.w.healed && t.w.percent(t.w.plan.read) {
		list, at, err = nil, r.At, errRead
	}
	t.after(t.w.under(5*time.Millisecond), func() {
		t.core.ReadDone(r, list, at, err)
		t.poke()
	})
}

// flush writes a batch; that it is durable is known to the core only later.
func (t *till) flush(ops []replication.Op) {
	t.w.oracle.writing(t.w, t, ops)
	if !t.w.healed && t.w.percent(t.w.plan.disk) {
		faults := []memory.Fault{memory.Full, memory.BeforeWrite, memory.AfterWrite, memory.AfterSync}
		t.disk.FailNext(faults[t.w.rand.IntN(len(faults))])
	}
	applied, err := t.w.opt.Plant.apply(t, ops)
	t.disk.FailNext(memory.None)
	t.kept = nil
	t.w.note('w', t.n, nil)
	if t.w.opt.Trace != nil {
		t.w.trace("till %d wrote, error %v: %s", t.n, err, describeOps(ops))
	}
	t.w.oracle.written(t.w, t, ops, applied, err)
	if !t.w.healed && t.w.plan.deaths > 0 && t.w.rand.IntN(8) == 0 {
		t.w.plan.deaths--
		t.kill(false)
		return
	}
	t.after(t.w.under(t.w.plan.fsync), func() { t.done(applied, err) })
}

func (t *till) done(applied replication.Applied, err error) {
	unknown := errors.Is(err, rows.ErrFailed)
	results, taken := t.core.Done(t.w.now, applied, err, unknown)
	t.writing = false
	for _, r := range results {
		t.w.note('a', t.n, nil)
		if r.Err == nil {
			t.w.oracle.acknowledged(t.w, t, r.Commit)
		}
	}
	for i := range taken {
		t.w.trace("till %d took %v of %v, live %v", t.n, taken[i].Commit.Dot, taken[i].Commit.Scope, taken[i].Outcome.Live)
	}
	if unknown {
		t.kill(t.w.rand.IntN(2) == 0)
		return
	}
	t.poke()
}

// counts tells Hellos from what is worth a message.
func (t *till) counts(m wire.Message) {
	if _, ok := m.(*wire.Hello); ok {
		t.hellos++
		return
	}
	t.chatter++
}

// describeOps puts a batch into a line of the trace.
func describeOps(ops []replication.Op) string {
	var out string
	for i := range ops {
		switch op := &ops[i]; {
		case op.Commit != nil:
			out += fmt.Sprintf("%v@%v, %d pieces; ", op.Commit.Dot, op.Commit.Scope, len(op.Commit.Pieces))
		case op.Claim != nil:
			out += fmt.Sprintf("claim of %v: %v; ", op.Claim.Scope, op.Claim.Context)
		default:
			out += fmt.Sprintf("%d notes; ", len(op.Notes))
		}
	}
	return out
}
