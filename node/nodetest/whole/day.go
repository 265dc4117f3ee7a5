package whole

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// BadDay lets the shop's tills sell while everything goes wrong that a seed thinks of. Afterwards all faults are over and
// every till runs.
func (s *Shop) BadDay(length time.Duration) {
	end := s.W.Elapsed() + length
	s.closing = end
	s.W.Conditions = simulation.Conditions{
		Latency: time.Duration(1+s.rand.IntN(20)) * time.Millisecond, Fsync: time.Duration(1+s.rand.IntN(20)) * time.Millisecond,
		Notice: s.under(3 * time.Second),
	}
	if s.chance(30) {
		s.W.Conditions.BadWrite = s.rand.IntN(4)
	}
	if s.chance(30) {
		s.W.Conditions.BadRead = s.rand.IntN(8)
	}
	if s.chance(40) {
		s.W.Conditions.Deaths = s.rand.IntN(4)
	}
	s.stays = s.Tills[s.rand.IntN(len(s.Tills))].M.Till()
	for _, t := range s.Tills {
		t.Restart = func() time.Duration { return 100*time.Millisecond + s.under(8*time.Second) }
		s.Employ(t, 100*time.Millisecond+s.under(time.Second), end)
	}
	for range 2 + s.rand.IntN(8) {
		s.W.At(s.under(length), func() { s.fault(length / 3) })
	}
	if s.country != "" {
		s.troubleSigners(length)
	}
	s.Cloud.trouble(length)
	if s.chance(25) { // nights: everything stands still, and the next thing happens on another day
		for range 1 + s.rand.IntN(2) {
			s.W.RunFor(s.under(length / 3))
			s.jump(8*time.Hour + s.under(20*time.Hour))
		}
	}
	s.W.Run(simulation.Epoch.Add(max(end, s.W.Elapsed())))
	s.Heal()
}

// fault is something that goes wrong at a till, or between it and another one, for a while.
type fault struct {
	weight int
	happen func(s *Shop, a, b *Till, length time.Duration)
}

var faults = []fault{
	{25, func(s *Shop, _, _ *Till, length time.Duration) {
		var sides [2][]*simulation.Machine
		for _, t := range s.Tills {
			side := s.rand.IntN(2)
			sides[side] = append(sides[side], t.M)
		}
		s.W.Partition(length, append(s.Cloud.reach(), sides[0], sides[1])...)
	}},
	{15, func(s *Shop, a, b *Till, length time.Duration) { s.W.Cut(a.M, b.M, length) }},
	{10, func(s *Shop, a, b *Till, length time.Duration) { s.W.Stall(a.M, b.M, length) }},
	{5, func(s *Shop, a, b *Till, _ time.Duration) { s.W.Slow(a.M, b.M, s.under(time.Second)) }},
	{15, func(_ *Shop, a, _ *Till, _ time.Duration) { a.M.Kill() }},
	{10, func(_ *Shop, a, _ *Till, _ time.Duration) { a.M.PowerCut() }},
	{5, func(_ *Shop, a, _ *Till, _ time.Duration) { a.M.TearNext() }},
	{5, func(_ *Shop, a, _ *Till, _ time.Duration) { a.M.Stop() }},
	{5, func(s *Shop, a, _ *Till, length time.Duration) {
		s.W.Count("disk full")
		a.M.Data().Fill(true)
		s.W.At(length, func() { a.M.Data().Fill(false) })
	}},
	{5, func(s *Shop, a, _ *Till, length time.Duration) {
		s.W.Count("little room")
		a.Free = uint64(s.rand.IntN(600)) << 20
		s.W.At(length, func() { a.Free = 100 << 30 })
	}},
	{8, func(s *Shop, a, _ *Till, _ time.Duration) {
		s.W.Count("clock jumps")
		a.M.Clock().Jump(s.under(52*time.Hour) - 26*time.Hour)
	}},
	{3, func(s *Shop, a, _ *Till, _ time.Duration) {
		if len(s.Tills) < 6 && a.Idle() {
			s.lineagesChange()
			s.hire(a)
		}
	}},
	{5, func(s *Shop, a, _ *Till, length time.Duration) { s.restore(a, length) }},
	{10, func(s *Shop, a, b *Till, _ time.Duration) { s.depart(a, b, shop.Revoked) }},
	{5, func(s *Shop, a, b *Till, _ time.Duration) { s.depart(a, b, shop.Retired) }},
	{4, func(s *Shop, a, _ *Till, _ time.Duration) {
		s.lineagesChange()
		a.M.PowerCut()
		a.M.Rehouse()
	}},
	{8, func(s *Shop, a, _ *Till, _ time.Duration) {
		if len(s.Tills) < 6 && a.life != nil && s.heard() > 1 {
			s.copied = true
			s.lineagesChange()
			c := s.copyOf(fmt.Sprintf("%sx%d", a.Name, len(s.Tills)), a, a.M.Data()) // the name is the seed of its chance
			c.Restart = a.Restart
			c.M.Start()
			s.Employ(c, time.Second, s.closing)
		}
	}},
}

// fault lets one thing go wrong.
func (s *Shop) fault(longest time.Duration) {
	a, b := s.Tills[s.rand.IntN(len(s.Tills))], s.Tills[s.rand.IntN(len(s.Tills))]
	for a == b {
		b = s.Tills[s.rand.IntN(len(s.Tills))]
	}
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	n := s.rand.IntN(total)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			f.happen(s, a, b, s.under(longest))
			return
		}
	}
}

// restore makes a backup of a till's disk and puts it back after a while: at a moment when another till holds the same, so
// that nothing that was promised is lost by it.
func (s *Shop) restore(t *Till, after time.Duration) {
	s.lineagesChange()
	backup := t.M.Data().Clone()
	s.W.At(after, func() {
		same := slices.ContainsFunc(s.Tills, func(o *Till) bool { return o != t && s.W.Equal(t.M, o.M) })
		if t.life == nil || !same {
			return
		}
		t.M.PowerCut()
		t.M.Insert(backup)
		t.disks++
		t.again = nil // what it has forgotten and others have would be another line under the same ID: an alarm
	})
}

// lineagesChange tells the world that a commit may come from a lineage that its receiver has not heard of, which refuses it
// then and gets it later.
func (s *Shop) lineagesChange() {
	s.W.Count("lineages change")
	s.W.MembersChange()
}

// hire lets a till admit another one, which then sells, too.
func (s *Shop) hire(by *Till) {
	t, n, do := s.admission(fmt.Sprintf("K%d", len(s.Tills)+1))
	s.do(by, "admit", t.Name, do, func(f fate) {
		if f != saved {
			t.M.Destroy() // nobody tries again
			return
		}
		t.Restart = by.Restart
		t.start(*n)
		s.Employ(t, time.Second, s.closing)
	})
}

// Heal ends all faults, starts what is off, sets the clocks and waits until all tills are equal and at rest.
func (s *Shop) Heal() {
	s.W.Heal()
	s.mendSigners()
	s.Cloud.mend()
	for _, t := range s.Tills {
		if t.M.Gone() || t.left {
			continue
		}
		t.M.Clock().Set(s.W.Now())
		t.Restart = func() time.Duration { return time.Second }
		t.M.Start()
	}
	s.W.RunFor(5 * time.Second) // who was about to go down is down
	s.everybody()
	for _, t := range s.present() {
		if err := t.Try(housekeep); err != nil { // a copy may just be about to halt
			s.W.Trace("%s does not tidy up: %v", t.Name, err)
		}
	}
	s.W.RunFor(time.Minute)
	s.everybody()
	s.awaitTerminals()
}

// everybody waits until all tills of the shop run, have nothing to do, and are equal.
func (s *Shop) everybody() {
	s.W.RunUntil(simulation.Patience, func() bool {
		return !slices.ContainsFunc(s.present(), func(t *Till) bool { return !t.Idle() })
	})
	// A copy may halt meanwhile, so who has to be equal may change.
	if !s.W.RunUntil(simulation.Patience, func() bool { return s.W.Equal(Machines(s.present()...)...) }) {
		s.W.AwaitEqual(Machines(s.present()...)...)
	}
	s.Cloud.await()
}

// jump lets time pass in which nothing happens. Clocks show it; what waits for time does not, as on machines that are suspended.
func (s *Shop) jump(length time.Duration) {
	s.W.Jump(length)
	if s.Cloud != nil { // or everything in it would be done for every second of the night
		s.began = s.began.Add(-length)
	}
}
