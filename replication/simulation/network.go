package simulation

import (
	"cmp"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/replication"
)

// Forever is a length of time for what does not end by itself.
const Forever = 200 * 365 * 24 * time.Hour

// pair is two machines and what is between them.
type pair struct {
	w       *World
	ends    [2]*Machine
	session *session
	cutTo   time.Time    // no dialing before
	stalled [2]time.Time // nothing that a side sends arrives before
	latency time.Duration
	never   bool
	dialing bool
}

// session is one connection. Its ends close one after the other: for a while one side may believe in it alone.
type session struct {
	pair *pair
	ends [2]*end
	dead bool // frames on their way are gone
}

// end is one life's side of a session.
type end struct {
	s        *session
	side     int
	life     *Life
	link     replication.LinkID
	open     bool
	last     time.Time // when the frame sent last arrives
	flying   int       // frames on their way to the other side
	held     []func()  // frames that wait until the direction no longer stalls
	told     told      // what the plants have to remember
	frameNum int
	bye      bool             // it ended the link for a reason
	gone     func(why string) // told when it closes; nil: nobody is
}

func (e *end) peer() *end { return e.s.ends[1-e.side] }

// pair returns what is between two machines.
func (w *World) pair(a, b *Machine) *pair {
	key := [2]int{min(a.n, b.n), max(a.n, b.n)}
	p := w.pairs[key]
	if p == nil {
		p = &pair{w: w, ends: [2]*Machine{w.machines[key[0]], w.machines[key[1]]}}
		w.pairs[key] = p
	}
	return p
}

// side returns 0 if the machine is the first of the pair, else 1.
func (p *pair) side(m *Machine) int {
	if p.ends[0] == m {
		return 0
	}
	return 1
}

// reach makes a machine look for links to all others.
func (w *World) reach(m *Machine) {
	for _, other := range w.machines {
		if other != m {
			w.pair(m, other).redial()
		}
	}
}

func (p *pair) redial() {
	if !p.dialing && p.possible() {
		p.dialing = true
		p.w.At(50*time.Millisecond+p.w.Under(time.Second), p.dial)
	}
}

// possible reports whether the two would link if they tried now. Whatever makes it so calls redial.
func (p *pair) possible() bool {
	a, b := p.ends[0].life, p.ends[1].life
	now := p.w.now
	return !p.never && (p.session == nil || !p.session.ends[0].open && !p.session.ends[1].open) && a != nil && b != nil && !a.stopping && !b.stopping &&
		!now.Before(p.cutTo) && !now.Before(p.stalled[0]) && !now.Before(p.stalled[1]) &&
		a.m.till != b.m.till && a.allows(b.m) && b.allows(a.m)
}

func (l *Life) allows(m *Machine) bool { return l.opened.Allowed == nil || l.opened.Allowed(m.till) }

// dial connects the pair if it can be.
func (p *pair) dial() {
	p.dialing = false
	if !p.possible() {
		return
	}
	for side, m := range p.ends {
		if !m.life.room(p.ends[1-side]) {
			p.redial()
			return
		}
	}
	p.connect(nil)
}

// connect makes a connection between the present lives.
func (p *pair) connect(gone func(m *Machine, why string)) *session {
	s := &session{pair: p}
	p.session = s
	for side, m := range p.ends {
		s.ends[side] = &end{s: s, side: side, life: m.life, open: true, last: p.w.now}
		if gone != nil {
			s.ends[side].gone = func(why string) { gone(m, why) }
		}
	}
	first := p.w.rand.IntN(2)
	for _, side := range []int{first, 1 - first} {
		e := s.ends[side]
		e.link = e.life.core.LinkUp(p.w.now, e.peer().life.m.till)
		e.life.ends = append(e.life.ends, e)
		e.life.poke()
	}
	p.w.Note('d', p.ends[0].n<<8|p.ends[1].n, nil)
	p.w.Trace("%s and %s are linked", p.ends[0].name, p.ends[1].name)
	return s
}

// room reports whether the life can link to a machine: one link to each till, so a copy of a till has to wait, or takes
// the place of the link that is there.
func (l *Life) room(m *Machine) bool {
	for _, e := range slices.Clone(l.ends) {
		if e.peer().life.m.till != m.till {
			continue
		}
		if l.w.rand.IntN(4) > 0 {
			return false
		}
		e.close("a newer connection of the same till takes its place")
	}
	return true
}

// close ends one side; the other notices later.
func (e *end) close(why string) {
	if !e.open {
		return
	}
	w, l := e.s.pair.w, e.life
	e.open = false
	w.Note('x', l.m.n, nil)
	w.Trace("%s closes the link to %s: %s", l.m.name, e.peer().life.m.name, why)
	if l.up {
		l.ends = slices.DeleteFunc(l.ends, func(o *end) bool { return o == e })
		l.core.LinkDown(w.now, e.link)
		l.unanswered(e.link)
		l.poke()
	}
	if e.gone != nil {
		e.gone(why)
	}
	if other := e.peer(); other.open {
		w.At(w.Under(max(w.Conditions.Notice, time.Millisecond)), func() { other.close("the other side closed it") })
		return
	}
	e.s.pair.redial()
}

// unanswered tells those who asked over a link that no answer will come.
func (l *Life) unanswered(link replication.LinkID) {
	var keys []askKey
	for key := range l.asks {
		if key.link == link {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b askKey) int { return cmp.Compare(a.id, b.id) })
	for _, key := range keys {
		l.answered(key, nil, ErrNoAnswer)
	}
}
