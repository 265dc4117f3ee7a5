package simulation

import (
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Cut breaks the connection of two machines, if there is one, and lets none be made for a while; each side notices in its
// own time. What was on its way is gone.
func (w *World) Cut(a, b *Machine, length time.Duration) {
	p := w.pair(a, b)
	p.cutTo = w.now.Add(length)
	w.Count("cut")
	w.Trace("cut between %s and %s for %v", a.name, b.name, length)
	w.At(length, p.redial)
	p.snap()
}

// snap breaks the connection that is there.
func (p *pair) snap() {
	s := p.session
	if s == nil || s.dead {
		return
	}
	s.dead = true
	for _, e := range s.ends {
		p.w.At(p.w.Under(max(3*p.w.Conditions.Notice, time.Millisecond)), func() { e.close("the connection is gone") })
	}
}

// Never keeps two machines apart for ever, Heal or not: a network where only some pairs hear each other.
func (w *World) Never(a, b *Machine) {
	p := w.pair(a, b)
	p.never = true
	p.snap()
}

// Join ends what Cut, Stall and Slow did to two machines.
func (w *World) Join(a, b *Machine) {
	p := w.pair(a, b)
	p.cutTo, p.stalled, p.latency = time.Time{}, [2]time.Time{}, 0
	w.Trace("%s and %s reach each other again", a.name, b.name)
	p.flow(0)
	p.flow(1)
	p.redial()
}

// Stall holds back what one machine sends to another, for a while: a one-way partition. It arrives afterwards if the
// connection lives that long; no new one can be made meanwhile.
func (w *World) Stall(from, to *Machine, length time.Duration) {
	p := w.pair(from, to)
	side := p.side(from)
	p.stalled[side] = w.now.Add(length)
	w.Count("one way")
	w.Trace("%s does not reach %s for %v", from.name, to.name, length)
	w.At(length, func() {
		p.flow(side)
		p.redial()
	})
}

// flow lets go of what a stalled direction held back.
func (p *pair) flow(side int) {
	if p.session == nil || p.w.now.Before(p.stalled[side]) {
		return
	}
	e := p.session.ends[side]
	held := e.held
	e.held = nil
	for _, fly := range held {
		fly()
	}
}

// Slow makes the frames between two machines take up to this long; zero takes that back.
func (w *World) Slow(a, b *Machine, latency time.Duration) {
	w.pair(a, b).latency = latency
	w.Count("slow link")
	w.Trace("frames between %s and %s take up to %v", a.name, b.name, latency)
}

// Flap cuts two machines apart and joins them again, several times.
func (w *World) Flap(a, b *Machine, times int, every time.Duration) {
	w.Count("flap")
	for n := range times {
		w.At(time.Duration(n)*every, func() { w.Cut(a, b, w.Under(every)) })
	}
}

// Partition lets machines reach each other only within their group, for a while; machines in no group reach nobody.
func (w *World) Partition(length time.Duration, groups ...[]*Machine) {
	w.Count("partition")
	for i, a := range w.machines {
		for _, b := range w.machines[:i] {
			if !slices.ContainsFunc(groups, func(g []*Machine) bool { return slices.Contains(g, a) && slices.Contains(g, b) }) {
				w.Cut(b, a, length)
			}
		}
	}
}

// Isolate cuts a machine off from all others for a while.
func (w *World) Isolate(m *Machine, length time.Duration) {
	for _, other := range w.machines {
		if other != m {
			w.Cut(m, other, length)
		}
	}
}

// trap breaks a connection when a message of a kind passes.
type trap struct {
	kind wire.Kind
	left int // how many of them pass before
}

// CutDuring breaks the connection on which the n-th message of a kind from now on is sent, just before or after that
// message arrives: in the middle of a Pull (wire.KindCommits) or of its End.
func (w *World) CutDuring(kind wire.Kind, n int) { w.traps = append(w.traps, &trap{kind, n - 1}) }

// trapped looks whether a message that is being sent springs a trap.
func (w *World) trapped(e *end, m wire.Message) {
	for i, t := range w.traps {
		if t.kind != m.Kind() {
			continue
		}
		if t.left--; t.left < 0 {
			w.traps = slices.Delete(w.traps, i, i+1)
			w.Count("cut in " + kindName(m))
			w.At(w.Under(2*w.Conditions.Latency+time.Millisecond), e.s.pair.snap)
			return
		}
	}
}

// Heal ends every fault of the network and of the disks, and makes the conditions calm. Machines stay as they are, on or
// off, and clocks too.
func (w *World) Heal() {
	w.Trace("the faults end")
	w.Conditions = Calm()
	w.traps = nil
	for i, a := range w.machines {
		a.data.Fill(false)
		a.data.Protect(false)
		a.honest()
		for _, b := range w.machines[:i] {
			p := w.pair(b, a)
			p.cutTo, p.stalled, p.latency = time.Time{}, [2]time.Time{}, 0
			p.flow(0)
			p.flow(1)
			p.redial()
		}
	}
}

// Lie makes the data disk of a machine say that a write is durable before it is; a power cut then loses all since.
func (m *Machine) Lie() {
	m.w.Count("fsync that lies")
	m.data.Lie(true)
	m.lies = true
	m.w.oracle.lost(m, "its disk lies")
}

// honest ends Lie; what was written meanwhile is durable from now on.
func (m *Machine) honest() {
	m.data.Lie(false)
	m.data.Sync()
	if m.lies && m.life != nil {
		m.check.lossy, m.check.kept = false, nil
	}
	m.lies = false
}

// Damage changes rows of the data disk of a machine that is off, behind the back of the store: a value that is gone, a bit
// that flipped. From then on, until Sound is called, no store is compared with what it ought to hold: one that lost rows
// may tell others that it has what it lacks.
func (m *Machine) Damage(rows []rows.Write) {
	m.data.Damage(rows)
	m.w.oracle.damaged, m.w.oracle.hurt, m.check.damaged = true, true, true
	m.w.oracle.lost(m, "rows are damaged")
}

// TearNext makes the power go in the middle of the next write to the data disk. The engine finds a part of it when it
// opens again and drops it.
func (m *Machine) TearNext() { m.tear = true }

// Sound says that all damage should be repaired by now: from here on every store is compared again, at once with all it
// ought to hold.
func (w *World) Sound() {
	w.oracle.damaged = false
	for _, m := range w.machines {
		m.check.damaged = false
		if m.life != nil {
			w.oracle.started(m.life)
			w.oracle.recount(m.life)
		}
	}
}

// MembersChange tells the world that tills or lineages come or go from now on. A commit may then come from a lineage that its
// receiver has not heard of: refusing the push is right, and no violation.
func (w *World) MembersChange() { w.oracle.members = true }
