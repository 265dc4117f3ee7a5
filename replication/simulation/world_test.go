package simulation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// plain is the least that a program can be: it has an identity and answers questions.
type plain struct {
	life    *simulation.Life
	applied int
	stopped []error
}

type everybody struct{}

func (everybody) MayPush(crdt.TillID, *crdt.Commit) bool { return true }

func (p *plain) Open(l *simulation.Life) (simulation.Opened, error) {
	r, err := l.OpenRows()
	if err != nil {
		return simulation.Opened{}, err
	}
	ctx := context.Background()
	st, err := store.Open(ctx, r)
	if err != nil {
		return simulation.Opened{}, errors.Join(err, r.Close())
	}
	boot, err := st.NextBoot(ctx, l.Machine().Wall().Unix())
	if err != nil {
		return simulation.Opened{}, errors.Join(err, r.Close())
	}
	till := l.Machine().Till()
	replica := crdt.ReplicaID(till[:16])
	guard, err := store.NewGuard(ctx, st, l.Machine().File("highwater"), replica, boot)
	return simulation.Opened{
		Shop: crdt.ShopID{1}, Replica: replica, Boot: boot, Store: guard, Roster: everybody{}, Settle: guard.Settle,
	}, err
}

func (p *plain) Started(l *simulation.Life)                            { p.life = l }
func (p *plain) Applied(_ *simulation.Life, taken []replication.Taken) { p.applied += len(taken) }
func (p *plain) Stopped(_ *simulation.Life, why error) {
	p.life, p.stopped = nil, append(p.stopped, why)
}
func (p *plain) Asked(l *simulation.Life, _ crdt.TillID, topic string, body []byte, answer func([]byte, bool)) {
	if topic == "later" {
		l.After(time.Second, func() { answer(append([]byte("yes "), body...), true) })
		return
	}
	if topic != "never" {
		answer([]byte("why should I"), false)
	}
}

func change(n byte) replication.Local {
	return replication.Local{Scope: crdt.Catalog, Schema: 1, Pieces: []crdt.Piece{
		{Kind: crdt.KindItem, Type: "thing", Object: crdt.ObjectID{n}, Raw: []byte{n}},
	}}
}

// two returns two machines that run and are linked.
func two(t *testing.T) (w *simulation.World, a, b *plain) {
	w, a, b = newWorld(t), new(plain), new(plain)
	w.AddMachine("A", a).Start()
	w.AddMachine("B", b).Start()
	w.RunFor(5 * time.Second)
	require.Len(t, a.life.State().Links, 1)
	return w, a, b
}

func TestOwnProgram(t *testing.T) {
	w, a, b := two(t)
	var result replication.Result
	a.life.Propose(change(1), func(r replication.Result) { result = r })
	require.Nil(t, result.Commit, "nothing happens before time passes")
	w.RunFor(5 * time.Second)
	require.NoError(t, result.Err)
	require.Equal(t, []crdt.TillID{w.Machine(1).Till()}, a.life.Holders(crdt.Catalog, result.Commit.Dot))
	require.Equal(t, 1, a.applied)
	require.Equal(t, 1, b.applied)
	require.True(t, w.Equal(w.Machines()...))
	w.CheckAtRest(w.Machines()...)
	w.CheckSilence(w.Machines()...)
	require.NoError(t, w.Err())
}

func TestAsk(t *testing.T) {
	w, a, _ := two(t)
	other := w.Machine(1)
	got := make(map[string]string)
	ask := func(till crdt.TillID, topic string) {
		a.life.Ask(till, topic, []byte("please"), func(answer []byte, err error) {
			switch {
			case errors.Is(err, engine.ErrRefused):
				got[topic] = "refused"
			case errors.Is(err, engine.ErrNotLinked):
				got[topic] = "not linked"
			case errors.Is(err, simulation.ErrNoAnswer):
				got[topic] = "no answer"
			default:
				got[topic] = string(answer)
			}
		})
	}
	ask(other.Till(), "later")
	ask(other.Till(), "refuse")
	ask(other.Till(), "never")
	ask(crdt.TillID{9}, "nobody")
	w.RunFor(10 * time.Second)
	require.Equal(t, map[string]string{"later": "yes please", "refuse": "refused", "never": "no answer", "nobody": "not linked"}, got)
	ask(other.Till(), "never")
	other.Kill()
	delete(got, "never")
	w.RunFor(4 * time.Second)
	require.Equal(t, "no answer", got["never"], "the link ended before its time was over")
}

func TestEndsOfLives(t *testing.T) {
	w, a, b := two(t)
	machine := w.Machine(0)
	asked := 0
	a.life.Propose(change(1), func(r replication.Result) {
		require.NoError(t, r.Err, "what waits is written before the end")
		asked++
	})
	machine.Stop()
	a.life.Propose(change(2), func(r replication.Result) {
		require.ErrorIs(t, r.Err, engine.ErrStopped)
		asked++
	})
	w.RunFor(time.Second)
	require.Equal(t, 2, asked)
	require.False(t, machine.Running())
	machine.Start()
	w.RunFor(5 * time.Second)
	a.life.Propose(change(3), func(replication.Result) { t.Error("a life that was killed answers nobody") })
	machine.Kill()
	machine.StartIn(time.Second)
	w.RunFor(5 * time.Second)
	a.life.Propose(change(4), func(replication.Result) { t.Error("nor one without power") })
	machine.PowerCut()
	machine.Data().Protect(true)
	machine.Start()
	require.False(t, machine.Running())
	machine.Data().Protect(false)
	machine.Start()
	a.life.End(errTest)
	require.Len(t, a.stopped, 5)
	for i, want := range []error{simulation.ErrStopped, simulation.ErrKilled, simulation.ErrPowerCut, simulation.ErrRefused, errTest} {
		require.ErrorIs(t, a.stopped[i], want)
	}
	machine.Start()
	w.Heal()
	w.AwaitEqual(w.Machines()...)
	require.NoError(t, w.Err())
	require.NotNil(t, b.life)
	machine.Destroy()
	machine.Start()
	require.True(t, machine.Gone() && !machine.Running())
}

// TestRoutine: code that waits goes on when what it waits for is there, in the order of the loop, and ends with its life.
func TestRoutine(t *testing.T) {
	w, a, _ := two(t)
	var list []string
	var last error
	a.life.Go(func(wait simulation.Wait) {
		for n := byte(1); n < 4; n++ {
			var result replication.Result
			err := wait(func(goOn func()) {
				a.life.Propose(change(n), func(r replication.Result) { result = r; goOn() })
			})
			require.NoError(t, err)
			list = append(list, result.Commit.Dot.Seq.String())
		}
		require.NoError(t, wait(func(goOn func()) { goOn() }), "what is there already is not waited for")
		last = wait(func(func()) {})
		require.ErrorIs(t, wait(func(func()) {}), simulation.ErrLifeOver)
	})
	require.Empty(t, list)
	w.RunFor(5 * time.Second)
	require.Len(t, list, 3)
	require.NoError(t, last)
	w.Machine(0).Kill()
	require.ErrorIs(t, last, simulation.ErrLifeOver)
	w.Machine(0).Start()
	// One that ends its own life is not waited for.
	a.life.Go(func(wait simulation.Wait) {
		a.life.End(errTest)
		last = wait(func(func()) {})
	})
	require.ErrorIs(t, last, simulation.ErrLifeOver)
	require.NoError(t, w.Err())
}

func TestClock(t *testing.T) {
	w, a, _ := two(t)
	m := w.Machine(0)
	begin := m.Wall()
	require.Equal(t, w.Now(), begin)
	m.Clock().Jump(-26 * time.Hour)
	w.RunFor(time.Hour)
	require.Equal(t, begin.Add(-25*time.Hour), m.Wall())
	m.Clock().Set(w.Now())
	m.Clock().Drift(1000)
	w.RunFor(1000 * time.Second)
	require.Equal(t, time.Second, m.Clock().Offset())
	require.NotNil(t, a.life)
	require.NoError(t, w.Err())
	m.Clock().Jump(48 * time.Hour)
	w.RunFor(2 * time.Minute)
	told := time.UnixMilli(w.Machine(1).Life().State().Links[0].WallMS)
	require.WithinDuration(t, w.Now().Add(48*time.Hour), told, time.Minute, "a Hello carries the wall clock")
}

// TestJump: what is due while everything stands still happens late.
func TestJump(t *testing.T) {
	w := newWorld(t)
	var at []time.Duration
	for n := range 3 {
		w.At(time.Duration(n)*time.Hour, func() { at = append(at, w.Elapsed()) })
	}
	w.Run(simulation.Epoch)
	w.Jump(90 * time.Minute)
	w.RunFor(time.Hour)
	require.Equal(t, []time.Duration{0, 90 * time.Minute, 2 * time.Hour}, at)
}

func TestDiskFaultsAreNotHidden(t *testing.T) {
	w, a, _ := two(t)
	m := w.Machine(0)
	var errs []error
	propose := func() {
		a.life.Propose(change(byte(len(errs)+1)), func(r replication.Result) { errs = append(errs, r.Err) })
		w.RunFor(time.Second)
	}
	m.Data().Fill(true)
	propose()
	m.Data().Fill(false)
	propose()
	m.Data().Protect(true)
	propose()
	require.ErrorIs(t, errs[0], rows.ErrFull)
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[2], rows.ErrFailed)
	require.ErrorIs(t, a.stopped[0], replication.ErrStoreFailed)
	require.NoError(t, w.Err())
}

// TestALyingDiskIsPlanned: without Lie, the same disk would be a violation.
func TestALyingDiskIsPlanned(t *testing.T) {
	for _, planned := range []bool{true, false} {
		w, a, _ := two(t)
		if planned {
			w.Machine(0).Lie()
		} else {
			w.Machine(0).Data().Lie(true)
		}
		a.life.Propose(change(1), func(replication.Result) {})
		w.RunFor(5 * time.Second)
		if planned {
			require.NoError(t, w.Err())
		} else {
			require.ErrorIs(t, w.Err(), simulation.ErrViolation)
		}
	}
}
