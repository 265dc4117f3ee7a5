package simulation

import (
	"time"

	"github.com/tillmesh/tillmesh/replication/wire"
)

// send puts a message on its way.
func (e *end) send(m wire.Message) {
	p := e.s.pair
	w := p.w
	if m = w.opt.Plant.alter(e, m); m == nil || !e.open {
		return
	}
	switch m.(type) {
	case *wire.Hello:
		e.life.hellos++
	case *wire.Audit:
	case *wire.Ask, *wire.Answer:
		e.life.chatter++
	default:
		e.life.chatter++
		e.life.moved++
	}
	w.oracle.told(e.life, m)
	c := &w.Conditions
	w.oracle.wild = w.oracle.wild || c.Loss > 0 || c.Twice > 0 || c.Overtake
	frame, err := w.codec.encode(m, w.rand.IntN(4) == 0)
	if err != nil {
		w.Fail("%s cannot encode %T: %v", e.life.m.name, m, err)
		return
	}
	w.counts.Frames++
	w.Note('s', e.life.m.n<<8|e.peer().life.m.n, frame)
	e.frameNum++
	num := e.frameNum
	if w.Tracing() {
		w.Trace("%s > %s #%d %s", e.life.m.name, e.peer().life.m.name, num, describe(m))
	}
	w.trapped(e, m)
	delay := 100*time.Microsecond + w.Under(max(c.Latency, p.latency))
	if w.Percent(c.Loss) {
		w.Count("loss")
		w.Trace("%s > %s #%d is lost", e.life.m.name, e.peer().life.m.name, num)
		return
	}
	e.fly(delay, !c.Overtake, num, frame)
	if w.Percent(c.Twice) {
		w.Count("twice")
		late := w.Under(20 * delay)
		if w.Percent(10) {
			w.Count("weeks late")
			late = w.Under(30 * 24 * time.Hour)
		}
		e.fly(late, false, num, frame)
	}
}

// fly delivers a frame after a delay, in order not before the frame sent last.
func (e *end) fly(delay time.Duration, inOrder bool, num int, frame []byte) {
	w := e.s.pair.w
	if w.now.Before(e.s.pair.stalled[e.side]) || len(e.held) > 0 {
		e.flying++
		e.held = append(e.held, func() { e.flying--; e.fly(delay, inOrder, num, frame) })
		return
	}
	if inOrder {
		delay = max(delay, e.last.Sub(w.now))
	} else if w.now.Add(delay).Before(e.last) {
		w.Count("overtaken")
	}
	late := delay > time.Minute // it does not count as on its way
	if !late {
		e.flying++
		e.last = w.now.Add(max(delay, e.last.Sub(w.now)))
	}
	w.At(delay, func() {
		if late {
			w.strays++
		} else {
			e.flying--
		}
		if e.open {
			e.life.poke()
		}
		e.peer().arrive(num, frame)
	})
}

func (e *end) arrive(num int, frame []byte) {
	w, l := e.s.pair.w, e.life
	if !e.open || e.s.dead || !l.up {
		return
	}
	m, err := w.codec.decode(frame)
	if err != nil {
		w.Fail("%s cannot decode a frame: %v", l.m.name, err)
		return
	}
	w.Note('r', l.m.n<<8|e.peer().life.m.n, []byte{byte(num >> 24), byte(num >> 16), byte(num >> 8), byte(num)})
	if w.Tracing() {
		w.Trace("%s < %s #%d", l.m.name, e.peer().life.m.name, num)
	}
	if w.opt.Plant.arrived(e, m); !l.up {
		return
	}
	if err := l.core.Receive(w.now, e.link, m); err != nil {
		w.oracle.refused(l, e, err)
		l.core.Refuse(e.link, err)
		e.bye = true
		for _, bye := range l.core.Next(e.link) {
			e.send(bye)
		}
		e.close(err.Error())
		return
	}
	l.poke()
}
