// Package simulation runs whole shops in one goroutine: the same replication.Core and the same store rules as a till,
// over a network, disks and clocks that obey one seed. The same seed gives the same run, byte for byte.
//
// A World has machines. Each Machine has a data disk, a state disk, a wall clock and a Program. While the program runs it
// has a Life, which drives a Core over the simulated disk and network as an engine would: every read, write and answer is
// a step of its own, so anything can come between. Frames pass the real codec.
//
// # Checks
//
// After every step an oracle that knows all commits compares each store with what it ought to hold, and everything that
// is sent or acknowledged with what a power cut now would leave. It needs no help of the program. [World.CheckAtRest] and
// [World.CheckSilence] ask for what must hold when all faults ended. A program adds its own rules with [World.Fail].
//
// # Use
//
// A caller that brings its own program makes a world, adds machines and lets time pass:
//
//	w, err := simulation.NewWorld(simulation.Options{Seed: 7})
//	if err != nil {
//		return err
//	}
//	defer w.Close()
//	a, b := w.AddMachine("K1", programA), w.AddMachine("K2", programB)
//	a.Start()
//	b.Start()
//	w.At(3*time.Second, func() { w.Cut(a, b, time.Minute) })
//	w.At(5*time.Second, func() {
//		a.Life().Propose(change, func(r replication.Result) { w.Trace("saved: %v", r.Err) })
//	})
//	w.RunFor(2 * time.Minute)
//	w.Heal()
//	w.AwaitEqual(a, b)
//	w.CheckAtRest(a, b)
//	return w.Err()
//
// A program opens its store with [Life.OpenRows] and says who it is:
//
//	func (p *till) Open(l *simulation.Life) (simulation.Opened, error) {
//		engine, err := l.OpenRows()
//		if err != nil {
//			return simulation.Opened{}, err
//		}
//		st, err := store.Open(ctx, engine)
//		// ... identity, doubts, boot number with l.Machine().Wall() ...
//		guard, err := store.NewGuard(ctx, st, l.Machine().File("highwater"), id.Replica, boot)
//		return simulation.Opened{Shop: id.Shop, Replica: id.Replica, Boot: boot, Store: guard, Roster: p.roster,
//			Allowed: p.roster.Active, Settle: guard.Settle}, err
//	}
//
// # Blocking use cases
//
// Code that waits, such as the use cases of a whole till, runs as a goroutine of the caller that hands over to the loop:
// the loop's callback starts or wakes it and goes on only when it waits again or is done (in a testing/synctest bubble:
// synctest.Wait). Nothing here holds a lock or starts a goroutine while a callback runs, so that goroutine may call every
// method of the world meanwhile, as long as one of them runs at a time. [Program.Stopped] is the moment to end those that
// still wait: a life that was killed answers nobody.
//
// # Own shops
//
// [Runner] runs one seed of the shop that comes with the package: random sales, edits, closings, tills that come, go and
// are lost, under the faults of a very bad year. A [Plant] switches a mistake on that the run has to notice; plants live
// in wrappers around the parts under test, never inside them.
package simulation
