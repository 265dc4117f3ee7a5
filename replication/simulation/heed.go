package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// heed acts on what the core has to say.
func (l *Life) heed() {
	for _, ev := range l.core.Events() {
		switch ev.Kind {
		case replication.EventAsked:
			l.asked(ev)
		case replication.EventAnswered:
			err := error(nil)
			if !ev.OK {
				err = fmt.Errorf("ask till %s: %w: %s", ev.Till.Short(), engine.ErrRefused, ev.Body)
			}
			l.answered(askKey{ev.Link, ev.ID}, ev.Body, err)
		default:
			l.notice(ev)
		}
		if !l.up {
			return
		}
	}
	l.w.oracle.counted(l)
}

// notice takes what a program may want to know.
func (l *Life) notice(ev replication.Event) {
	if ev.Kind == replication.EventDoubt && l.doubt == nil {
		l.doubt = &replication.DoubtError{Kind: ev.Doubt, Text: ev.Text, Speakers: ev.Speakers}
	}
	if ev.Text != "" {
		l.w.Trace("%s notices: %s", l.m.name, ev.Text)
	}
	if n, ok := l.m.program.(Noticer); ok {
		n.Noticed(l, ev)
	}
}

func (l *Life) asked(ev replication.Event) {
	l.m.program.Asked(l, ev.Till, ev.Topic, ev.Body, func(body []byte, ok bool) {
		if l.up {
			l.core.Answer(ev.Link, ev.ID, ok, body)
			l.poke()
		}
	})
}

// read performs a read; its answer comes later.
func (l *Life) read(r replication.Read) {
	var list [][]byte
	var err error
	at, size := r.At, r.Bytes
	if l.w.Conditions.Read > 0 {
		size = l.w.Conditions.Read
	}
	if r.Dots != nil {
		list, err = l.opened.Store.ByDot(background, r.Scope, r.Dots)
	} else {
		list, at, err = l.opened.Store.Live(background, r.Scope, r.Want, r.At, size)
	}
	if err != nil && !errors.Is(err, rows.ErrFailed) && !errors.Is(err, rows.ErrCorrupt) && !l.unknown(err) {
		l.w.Fail("%s does not read: %v", l.m.name, err)
	}
	if l.w.Percent(l.w.Conditions.BadRead) {
		l.w.Count("bad read")
		list, at, err = nil, r.At, errRead
	}
	l.After(l.w.Under(5*time.Millisecond), func() {
		l.core.ReadDone(r, list, at, err)
		l.poke()
	})
}

var errRead = errors.New("the read failed")
