package whole

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// between makes a verb about two machines.
func between(do func(w *simulation.World, a, b *simulation.Machine, rest args)) func(*Script, args) error {
	return on(func(s *Script, a *Till, rest args) error {
		b, err := s.named(rest.Word(0))
		if err != nil {
			return err
		}
		rest.Words = rest.Words[1:]
		do(s.W, a.M, b.M, rest)
		return nil
	})
}

// faultVerbs are about the network. They are called as in package simulation.
var faultVerbs = verbs{
	"cut": {Params: "word word [time]", Help: "no connection between two", Do: between(func(w *simulation.World, a, b *simulation.Machine, x args) {
		w.Cut(a, b, x.Time(0, simulation.Forever))
	})},
	"join": {Params: "word word", Help: "the end of what separates two", Do: between(func(w *simulation.World, a, b *simulation.Machine, _ args) { w.Join(a, b) })},
	"stall": {Params: "word word [time]", Help: "nothing from the first reaches the second", Do: between(func(w *simulation.World, a, b *simulation.Machine, x args) {
		w.Stall(a, b, x.Time(0, simulation.Forever))
	})},
	"flap": {Params: "word word int time", Help: "cut so often, once in that time", Do: between(func(w *simulation.World, a, b *simulation.Machine, x args) {
		w.Flap(a, b, x.Int(0, 0), x.Time(1, 0))
	})},
	"isolate": {Params: "word [time]", Help: "cut off from all", Do: on(func(s *Script, t *Till, a args) error {
		s.W.Isolate(t.M, a.Time(0, simulation.Forever))
		return nil
	})},
	"partition": {Params: "word [time]", Help: "only within groups such as K1,K2|K3", Do: func(s *Script, a args) error {
		var groups [][]*simulation.Machine
		for names := range strings.SplitSeq(a.Word(0), "|") {
			var group []*simulation.Machine
			for name := range strings.SplitSeq(names, ",") {
				t, err := s.named(name)
				if err != nil {
					return err
				}
				group = append(group, t.M)
			}
			groups = append(groups, group)
		}
		s.W.Partition(a.Time(1, simulation.Forever), append(s.Cloud.reach(), groups...)...)
		return nil
	}},
	"heal": {Help: "end all faults of network and disks", Do: func(s *Script, _ args) error { s.W.Heal(); return nil }},
}

// dies ends a till, for a while if a time is said.
func (s *Script) dies(t *Till, a args, how func()) error {
	if a.Len() > 0 {
		off := a.Time(0, 0)
		t.Restart = func() time.Duration { s.restarts(t); return off }
	}
	how()
	return nil
}

// stops switches a till off for good.
func (s *Script) stops(t *Till) error {
	t.Restart = func() time.Duration { return -1 }
	t.M.Stop()
	s.W.RunUntil(time.Minute, func() bool { return t.life == nil })
	return s.W.Err()
}

func (s *Script) starts(t *Till) error {
	s.restarts(t)
	t.M.Start()
	if t.life == nil {
		return fmt.Errorf("%s does not start: %w", t.Name, t.refused)
	}
	return s.W.Err()
}

// holiday closes the shop for a while.
func (s *Script) holiday(length time.Duration) error {
	var open []*Till
	for _, t := range s.Tills {
		if t.life != nil {
			open = append(open, t)
			if err := s.stops(t); err != nil {
				return err
			}
		}
	}
	s.jump(length)
	for _, t := range open {
		if err := s.starts(t); err != nil {
			return err
		}
	}
	return nil
}

// machineVerbs are about machines, their clocks and disks.
var machineVerbs = verbs{
	"stop":     {Params: "word", Help: "switch off, until start", Do: on(func(s *Script, t *Till, _ args) error { return s.stops(t) })},
	"start":    {Params: "word", Help: "switch on", Do: on(func(s *Script, t *Till, _ args) error { return s.starts(t) })},
	"kill":     {Params: "word [time]", Help: "kill -9; it starts again, after that time", Do: on(func(s *Script, t *Till, a args) error { return s.dies(t, a, t.M.Kill) })},
	"powercut": {Params: "word [time]", Help: "the power goes; it starts again, after that time", Do: on(func(s *Script, t *Till, a args) error { return s.dies(t, a, t.M.PowerCut) })},
	"destroy":  {Params: "word", Help: "gone with all its data", Do: on(func(_ *Script, t *Till, _ args) error { t.M.Destroy(); return nil })},
	"restarts": {Params: "int time word...", Help: "so often within that time one of these dies, of a kill, a power cut or a torn write", Do: func(s *Script, a args) error {
		for range a.Int(0, 0) {
			t, err := s.named(a.Words[2+s.rand.IntN(a.Len()-2)])
			if err != nil {
				return err
			}
			how := []func(){t.M.Kill, t.M.PowerCut, t.M.TearNext}[s.rand.IntN(3)]
			s.W.At(s.under(a.Time(1, time.Second)), how)
		}
		return nil
	}},
	"copy": {Params: "word word", Help: "a copy of its data runs on another machine, of that name", Do: on(func(s *Script, t *Till, a args) error {
		other := s.copyOf(a.Word(0), t, t.M.Data())
		return s.starts(other)
	})},
	"backup": {Params: "word word", Help: "copy its data disk, under a name", Do: on(func(s *Script, t *Till, a args) error { s.backups[a.Word(0)] = t.M.Data().Clone(); return nil })},
	"restore": {Params: "word word", Help: "put the copy of that name in the place of its data disk; it has to be off", Do: on(func(s *Script, t *Till, a args) error {
		backup := s.backups[a.Word(0)]
		if backup == nil || t.life != nil {
			return fmt.Errorf("there is no backup %s, or %s runs", a.Word(0), t.Name)
		}
		t.M.Insert(backup.Clone())
		t.disks++
		return nil
	})},
	"clock": {Params: "word time", Help: "move the wall clock", Do: on(func(s *Script, t *Till, a args) error {
		t.M.Clock().Jump(a.Time(0, 0))
		t.Do("looks at the clock", housekeep)
		return s.W.Err()
	})},
	"rightclock": {Params: "word", Help: "somebody sets the wall clock", Do: on(func(s *Script, t *Till, _ args) error {
		t.M.Clock().Set(s.W.Now())
		t.Do("looks at the clock", housekeep)
		return s.W.Err()
	})},
	"fill": {Params: "word", Help: "the disk is full", Do: on(func(s *Script, t *Till, _ args) error { s.W.Count("disk full"); t.M.Data().Fill(true); return nil })},
	"room": {Params: "word int", Help: "so many MB are left on the disk", Do: on(func(s *Script, t *Till, a args) error {
		t.Free = uint64(a.Int(0, 0)) << 20
		s.W.RunFor(5 * time.Second) // until the till has looked
		return s.W.Err()
	})},
	"refused-start": {Params: "word", Help: "the till does not run, because it has no room", Do: on(func(s *Script, t *Till, _ args) error {
		if t.life != nil || !errors.Is(t.refused, errNoRoom) {
			return fmt.Errorf("it runs: %v, or is refused otherwise: %w", t.life != nil, t.refused)
		}
		return nil
	})},
	"halted": {Params: "word", Help: "the till does not run until a person acts", Do: on(func(s *Script, t *Till, _ args) error {
		if t.life != nil || !t.left {
			return fmt.Errorf("it runs: %v, or is refused otherwise: %w", t.life != nil, t.refused)
		}
		return nil
	})},
	"free": {Params: "word", Help: "there is room again", Do: on(func(_ *Script, t *Till, _ args) error { t.M.Data().Fill(false); return nil })},
	"expect": {Params: "word word...", Help: "expect fault NAME N: that happened at least so often", Do: func(s *Script, a args) error {
		_, faults := s.W.Counts()
		name := strings.Join(a.Words[1:a.Len()-1], " ")
		if n := a.Int(a.Len()-1, 1); faults[name] < n {
			return fmt.Errorf("%q happened %d times", name, faults[name])
		}
		return nil
	}},
}

func housekeep(ctx context.Context, till *node.Till) error {
	till.Housekeep(ctx)
	return nil
}
