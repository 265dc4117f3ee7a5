package whole

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing/synctest"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/node/terminal/simulated"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Till is one till of a simulated shop. It is the program of its machine.
type Till struct {
	Name string
	M    *simulation.Machine
	// Restart is how long it takes until somebody starts the till again after a life ended; negative: nobody does.
	Restart func() time.Duration
	// Newer makes it a till of a later version, whose articles have a field that this program does not know.
	Newer bool
	// Free is how many bytes are left on its disk.
	Free uint64

	shop      *Shop
	device    *simulated.Device // the card terminal beside it
	signer    *signer           // the signing device beside it; nil: it has none
	newcomer  node.Newcomer
	life      *life
	busy      bool           // a cashier does something
	again     func()         // what the cashier does next: the same again, since there was no answer
	refused   error          // why the last start was refused
	left      bool           // it was revoked, or halted until a person acts
	recovered bool           // somebody found it and took over what it held
	handing   string         // why it sells nothing and only hands over what it has
	doubts    []lineage.Kind // for which it began new lineages, in all its lives
	disks     uint64         // tells its data disk from copies of it
}

func (s *Shop) newTill(name string) *Till {
	t := &Till{Name: name, shop: s, Free: 100 << 30, Restart: func() time.Duration { return -1 }}
	t.newDevice()
	t.newSigner()
	t.M = s.W.AddMachine(name, t)
	s.keepApart()
	s.Tills = append(s.Tills, t)
	return t
}

// copyOf makes a till of a copy of another one's data disk, on a machine of its own.
func (s *Shop) copyOf(name string, of *Till, data *memory.Disk) *Till {
	t := &Till{Name: name, shop: s, Free: of.Free, newcomer: of.newcomer, disks: of.disks + 1000}
	t.newDevice()
	t.newSigner()
	t.M = s.W.AddCopy(name, of.M, data, t)
	s.keepApart()
	s.Tills = append(s.Tills, t)
	return t
}

func (t *Till) request(name string, replica crdt.ReplicaID) pairing.Request {
	key, _ := t.M.Key().Public().(ed25519.PublicKey) // it always is one
	return pairing.Request{DeviceKey: key, Name: name, Replica: replica, WallClock: t.M.Wall(), Version: "simulation"}
}

// random returns the source of all chance of one life of the till.
func (t *Till) random(life int) *rand.Rand {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], t.shop.W.Seed())
	binary.BigEndian.PutUint64(seed[8:], uint64(life))
	copy(seed[16:], t.Name)
	return rand.New(rand.NewChaCha8(seed))
}

type reader struct{ *rand.Rand }

// Read is a method of io.Reader.
func (r reader) Read(b []byte) (int, error) {
	fill(r.Rand, b)
	return len(b), nil
}

var _ io.Reader = reader{}

func (t *Till) environment(life int) node.Environment {
	return node.Environment{Now: t.wall, Steady: func() time.Duration { t.shop.see(); return t.shop.W.Elapsed() }, Random: reader{t.random(life)}}
}

// wall is the wall clock, as goroutines see it.
func (t *Till) wall() time.Time {
	t.shop.see()
	return t.M.Wall()
}

// Started is a method of simulation.Program.
func (t *Till) Started(*simulation.Life) {
	t.shop.lives = append(t.shop.lives, t.life)
	t.housekeep(t.life)
	t.sayAgain(t.life)
	t.handOver(t.life)
	t.attendTerminal(t.life)
	t.signOrders(t.life)
	t.resume(t.life)
	t.forward(t.life)
	t.shop.always(t.life, t.life.disk.Run)
}

// sayAgain says again what a sealed lineage wrote, when the cashier does nothing: it locks what it says.
func (t *Till) sayAgain(l *life) {
	l.sim.After(time.Second, func() {
		left, err := lineage.Pending(l.ctx, l.guard)
		switch {
		case errors.Is(err, rows.ErrFailed): // this life is about to end
		case err != nil:
			t.shop.W.Fail("%s: %v", t.Name, err)
		case left && t.Idle() && l.node.Compared():
			t.act(func(ctx context.Context, till *node.Till) error {
				_, err := till.SayAgain(ctx)
				return err
			}, func(err error) {
				t.shop.W.Trace("%s says again what its sealed lineage wrote: %v", t.Name, errOrDone(err))
				t.sayAgain(l)
			})
		case left:
			t.sayAgain(l)
		}
	})
}

// Applied is a method of simulation.Program.
func (t *Till) Applied(_ *simulation.Life, taken []replication.Taken) {
	t.life.node.Applied(taken)
	synctest.Wait() // who waited for an event goes on before anything else happens
	t.shop.soon()
}

// Asked is a method of simulation.Program.
func (t *Till) Asked(_ *simulation.Life, from crdt.TillID, topic string, body []byte, answer func([]byte, bool)) {
	var out []byte
	var ok bool
	l := t.life
	t.shop.start(l, func(ctx context.Context) { out, ok = l.asked(ctx, from, topic, body) }, func() { answer(out, ok) })
}

// Noticed is a method of simulation.Noticer: what a person has to know of becomes an alarm.
func (t *Till) Noticed(_ *simulation.Life, ev replication.Event) {
	switch l := t.life; ev.Kind {
	case replication.EventFork, replication.EventCopy, replication.EventAudit:
		t.shop.start(l, func(ctx context.Context) { l.node.Notable(ctx, ev, l.sim.Nonce()) }, func() {})
	}
}

// Stopped is a method of simulation.Program.
func (t *Till) Stopped(_ *simulation.Life, why error) {
	if l := t.life; l != nil {
		l.end()
		l.uplink.hangUp()
		t.life = nil
		if d, ok := errors.AsType[*replication.DoubtError](why); ok {
			if err := t.doubted(l, d); err != nil {
				t.shop.W.Trace("%s: %v", t.Name, err) // the others raise the doubt again
			}
		}
	}
	if errors.Is(why, simulation.ErrRefused) {
		t.refused = why
	}
	if halt, ok := errors.AsType[*node.Halt](why); ok && halt.Mend == nil {
		t.left = true
		return // a person has to act
	}
	if in := t.Restart(); in >= 0 {
		t.M.StartIn(in)
	}
}

// Live returns the present life, nil if the till does not run.
func (t *Till) Live() *life { return t.life }

// Node returns the till as it runs, nil if it does not.
func (t *Till) Node() *node.Till {
	if t.life == nil {
		return nil
	}
	return t.life.node
}

// Idle reports whether the till runs and its cashier does nothing.
func (t *Till) Idle() bool { return t.life != nil && !t.busy }

// begun does something at the till as a cashier, if one is there and free. done is called when it is over: with the error
// of do, or errUnanswered if the till died before the cashier saw the answer.
func (t *Till) act(do func(ctx context.Context, till *node.Till) error, done func(error)) bool {
	l := t.life
	if l == nil || t.busy {
		return false
	}
	t.busy = true
	var err error
	t.shop.start(l, func(ctx context.Context) { err = do(ctx, l.node) }, func() {
		t.busy = false
		if l.over {
			err = errUnanswered
		}
		done(err)
	})
	return true
}

// errUnanswered means that the till died while a cashier waited for it.
var errUnanswered = errors.New("the till died before it answered")

// Do does something at the till and lets the world run until it is done; an error fails the world.
func (t *Till) Do(what string, do func(ctx context.Context, till *node.Till) error) {
	if err := t.Try(do); err != nil {
		t.shop.W.Fail("%s %s: %v", t.Name, what, err)
	}
}

// Try does something at the till, lets the world run until it is done, and returns how it went.
func (t *Till) Try(do func(ctx context.Context, till *node.Till) error) error {
	w := t.shop.W
	var err error
	over := false
	if !t.act(do, func(e error) { err, over = e, true }) {
		return fmt.Errorf("%s does not run or is busy", t.Name)
	}
	// Shorter steps than the world's own: the next thing happens when this one is done.
	for end := w.Elapsed() + time.Minute; !over && w.Err() == nil && w.Elapsed() < end; {
		w.RunFor(time.Millisecond)
	}
	if !over {
		return errors.Join(errors.New("it does not end"), w.Err())
	}
	return err
}

// laterField is what later versions write into every register of an article.
const laterField = "allergens"

// change makes a change one of a later version, if the till is one.
func (t *Till) change(l *replication.Local) {
	if !t.Newer {
		return
	}
	for i := range l.Pieces {
		p := &l.Pieces[i]
		if p.Kind != crdt.KindRegister || p.Type != catalog.TypeArticle {
			continue
		}
		rec, err := crdt.ParseRecord(p.Raw, catalog.Schema)
		if err != nil {
			t.shop.W.Fail("%s writes an article that cannot be read: %v", t.Name, err)
			return
		}
		rec.SetString(laterField, "nuts")
		p.Raw = rec.Bytes()
	}
}
