package simulation

import (
	"slices"
	"time"
)

// Call is a connection that one machine made to another on purpose, see World.Connect.
type Call struct{ s *session }

// Reach returns how long a word takes from one machine to another now, and whether it arrives at all.
func (w *World) Reach(from, to *Machine) (delay time.Duration, ok bool) {
	p := w.pair(from, to)
	delay = 100*time.Microsecond + w.Under(max(w.Conditions.Latency, p.latency))
	return delay, !w.now.Before(p.cutTo) && !w.now.Before(p.stalled[p.side(from)])
}

// Connect links two machines now, as when one called the other. It is for pairs that World.Never keeps from linking by themselves. A
// connection of the same two tills that is still there gives way. gone is called for each end when it closes, at its own time. nil:
// they cannot be linked now.
func (w *World) Connect(a, b *Machine, gone func(m *Machine, why string)) *Call {
	p := w.pair(a, b)
	if a.life == nil || b.life == nil || a.life.stopping || b.life.stopping || w.now.Before(p.cutTo) || w.now.Before(p.stalled[0]) || w.now.Before(p.stalled[1]) {
		return nil
	}
	for side, m := range p.ends {
		for _, e := range slices.Clone(m.life.ends) {
			if e.peer().life.m.till == p.ends[1-side].till {
				e.close("a newer connection of the same till takes its place")
			}
		}
	}
	if a.life == nil || b.life == nil {
		return nil
	}
	return &Call{p.connect(gone)}
}

// HangUp ends the connection on the side of a machine; the other one learns of it later.
func (c *Call) HangUp(m *Machine, why string) { c.s.ends[c.s.pair.side(m)].close(why) }
