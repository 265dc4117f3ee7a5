package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// pair is two tills that can reach each other while the network holds.
type pair struct {
	w       *world
	tills   [2]*till
	session *session
	cutTo   time.Time    // no dialing before
	stalled [2]time.Time // nothing that a side sends arrives before
	dialing bool
}

// session is one connection. Its ends close one after the other: for a while one side may believe in it alone.
type session struct {
	pair *pair
	ends [2]*end
	dead bool // frames on their way are gone
}

// end is one till's side of a session.
type end struct {
	s        *session
	side     int
	till     *till
	link     replication.LinkID
	open     bool
	last     time.Time // when the frame sent last arrives
	flying   int       // frames on their way to the other side
	held     []func()  // frames that wait until the direction no longer stalls
	told     told      // what the plants have to remember
	frameNum int
}

func (e *end) peer() *end { return e.s.ends[1-e.side] }

// dial connects the pair if it can be.
func (p *pair) dial() {
	p.dialing = false
	if p.session != nil && (p.session.ends[0].open || p.session.ends[1].open) {
		return
	}
	if !p.tills[0].up || !p.tills[1].up || p.w.now.Before(p.cutTo) {
		p.redial()
		return
	}
	s := &session{pair: p}
	p.session = s
	for side, t := range p.tills {
		s.ends[side] = &end{s: s, side: side, till: t, open: true, last: p.w.now}
	}
	first := p.w.rand.IntN(2)
	for _, side := range []int{first, 1 - first} {
		e := s.ends[side]
		e.link = e.till.core.LinkUp(p.w.now, e.peer().till.id)
		e.till.ends = append(e.till.ends, e)
		e.till.poke()
	}
	p.w.note('d', p.tills[0].n<<8|p.tills[1].n, nil)
	p.w.trace("tills %d and %d are linked", p.tills[0].n, p.tills[1].n)
}

func (p *pair) redial() {
	if !p.dialing {
		p.dialing = true
		p.w.at(50*time.Millisecond+p.w.under(time.Second), p.dial)
	}
}

// cut breaks the connection at once; each side notices in its own time.
func (p *pair) cut(length time.Duration) {
	p.cutTo = p.w.now.Add(length)
	s := p.session
	if s == nil {
		return
	}
	p.w.trace("cut between tills %d and %d for %v", p.tills[0].n, p.tills[1].n, length)
	s.dead = true
	for _, e := range s.ends {
		p.w.at(p.w.under(3*time.Second), func() { e.close("the connection is gone") })
	}
}

// stall holds back what one side sends.
func (p *pair) stall(side int, length time.Duration) {
	p.stalled[side] = p.w.now.Add(length)
	p.w.at(length, func() { p.flow(side) })
	p.w.trace("till %d does not reach till %d for %v", p.tills[side].n, p.tills[1-side].n, length)
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

func (p *pair) heal() {
	p.cutTo, p.stalled = time.Time{}, [2]time.Time{}
	p.flow(0)
	p.flow(1)
	p.redial()
}

// close ends one side; the other notices later.
func (e *end) close(why string) {
	if !e.open {
		return
	}
	w := e.s.pair.w
	e.open = false
	w.note('x', e.till.n, nil)
	w.trace("till %d closes the link to till %d: %s", e.till.n, e.peer().till.n, why)
	if e.till.up { // else it has no core any more
		e.till.ends = slices.DeleteFunc(e.till.ends, func(o *end) bool { return o == e })
		e.till.core.LinkDown(w.now, e.link)
		e.till.poke()
	}
	if other := e.peer(); other.open {
		w.at(w.under(2*time.Second), func() { other.close("the other side closed it") })
		return
	}
	e.s.pair.redial()
}

// send puts a message on its way.
func (e *end) send(m wire.Message) {
	p := e.s.pair
	w := p.w
	if w.opt.Plant != PlantNone {
		if m = w.opt.Plant.alter(w, e, m); m == nil {
			return
		}
	}
	e.till.counts(m)
	w.oracle.told(w, e.till, m)
	frame, err := w.frames.encode(m, w.rand.IntN(4) == 0)
	if err != nil {
		w.fail("till %d cannot encode %T: %v", e.till.n, m, err)
		return
	}
	w.result.Frames++
	if _, ok := m.(*wire.Commits); ok && !w.healed && w.plan.snaps > 0 && w.rand.IntN(3) == 0 {
		w.plan.snaps--
		w.at(w.under(3*w.plan.delay), func() { p.cut(w.under(time.Second)) })
	}
	w.note('s', e.till.n<<8|e.peer().till.n, frame)
	e.frameNum++
	num := e.frameNum
	if w.opt.Trace != nil {
		w.trace("%d > %d #%d %s", e.till.n, e.peer().till.n, num, describe(m))
	}
	delay := 100*time.Microsecond + w.under(p.w.plan.delay)
	if !w.plan.wild || w.healed {
		e.fly(delay, true, num, frame)
		return
	}
	if w.percent(w.plan.loss) {
		w.trace("%d > %d #%d is lost", e.till.n, e.peer().till.n, num)
		return
	}
	e.fly(delay, false, num, frame)
	if w.percent(w.plan.twice) {
		e.fly(w.under(20*delay), false, num, frame)
	}
}

// fly delivers a frame after a delay, in order not before the frame sent last.
func (e *end) fly(delay time.Duration, inOrder bool, num int, frame []byte) {
	e.flying++
	w := e.s.pair.w
	if w.now.Before(e.s.pair.stalled[e.side]) || len(e.held) > 0 {
		e.held = append(e.held, func() { e.flying--; e.fly(delay, inOrder, num, frame) })
		return
	}
	if inOrder {
		delay = max(delay, e.last.Sub(w.now))
		e.last = w.now.Add(delay)
	}
	w.at(delay, func() {
		e.flying--
		if e.open && e.till.up {
			e.till.poke()
		}
		e.peer().arrive(num, frame)
	})
}

func (e *end) arrive(num int, frame []byte) {
	w := e.s.pair.w
	if !e.open || e.s.dead || !e.till.up {
		return
	}
	m, err := w.frames.decode(frame)
	if err != nil {
		w.fail("till %d cannot decode a frame: %v", e.till.n, err)
		return
	}
	w.note('r', e.till.n<<8|e.peer().till.n, binaryNumber(num))
	w.trace("%d < %d #%d", e.till.n, e.peer().till.n, num)
	if err := e.till.core.Receive(w.now, e.link, m); err != nil {
		if !w.plan.wild {
			w.fail("till %d refuses what an honest till sent in order: %v", e.till.n, err)
			return
		}
		e.close(err.Error())
		return
	}
	e.till.poke()
}

func binaryNumber(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// describe puts a message into a line of the trace.
func describe(m wire.Message) string {
	switch m := m.(type) {
	case *wire.Hello:
		return fmt.Sprintf("Hello state %x", m.State[:4])
	case *wire.Scopes:
		return fmt.Sprintf("Scopes %d", len(m.List))
	case *wire.Context:
		return fmt.Sprintf("Context %v full %v hash %x: %v", m.Scope, m.Full, m.Hash[:4], m.Entries)
	case *wire.Pull:
		return fmt.Sprintf("Pull %d %v have %v: %v", m.ID, m.Scope, m.ForHave, m.Want)
	case *wire.Commits:
		return fmt.Sprintf("Commits of pull %d, frame %d: %s", m.Pull, m.Index, dots(m.List))
	case *wire.End:
		return fmt.Sprintf("End of pull %d complete %v frames %d hash %x covers %v", m.Pull, m.Complete, m.Frames, m.Hash[:4], m.Covers)
	case *wire.Push:
		return fmt.Sprintf("Push urgent %v: %s", m.Urgent, dots(m.List))
	case *wire.Have:
		return fmt.Sprintf("Have %v: %v", m.Scope, m.Entries)
	}
	return fmt.Sprintf("%T", m)
}
