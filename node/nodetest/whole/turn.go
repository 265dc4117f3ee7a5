package whole

import (
	"context"
	"slices"
	"testing/synctest"
	"time"
)

// routine is something that may wait, of one life of a till.
type routine struct {
	life   *life
	always bool   // it runs as long as the life
	ended  bool   // set by the goroutine when it returns
	done   func() // called by the loop afterwards
}

// start runs f as a goroutine and calls done from the loop when it returned. f must not touch the world.
func (s *Shop) start(l *life, f func(ctx context.Context), done func()) {
	r := &routine{life: l, done: done}
	s.routines = append(s.routines, r)
	s.answer(func() {
		go func() {
			f(l.ctx)
			s.see()
			r.ended = true
		}()
	})
}

// always runs f as a goroutine until the life is over. Time goes on for it whenever a turn is taken.
func (s *Shop) always(l *life, f func(ctx context.Context)) {
	s.start(l, f, func() {})
	s.routines[len(s.routines)-1].always = true
}

// answer lets a goroutine go on, when its turn has come.
func (s *Shop) answer(wake func()) {
	s.answers = append(s.answers, wake)
	s.soon()
}

// soon plans a turn.
func (s *Shop) soon() {
	if !s.planned {
		s.planned = true
		s.W.At(0, s.turn)
	}
}

// tick is how exactly timeouts of goroutines are kept.
const tick = 20 * time.Millisecond

// turn lets the goroutines do all they can do now.
func (s *Shop) turn() {
	s.planned = false
	s.see()
	if late := s.W.Elapsed() - time.Since(s.began); late > 0 {
		time.Sleep(late) // no time at all: the bubble's clock goes on
	}
	synctest.Wait()
	for s.requests() || s.ended() || s.next() {
	}
	waits := func(r *routine) bool { return !r.always || r.life.over }
	if slices.ContainsFunc(s.routines, waits) && !s.ticking {
		s.ticking = true
		s.W.At(tick, func() {
			s.ticking = false
			s.turn()
		})
	}
}

// see is called by the loop before goroutines may run because of the bubble's clock, and by them before they look at the
// world. The loop sleeps then, so they are alone; but nothing else says so to the race detector.
func (s *Shop) see() {
	s.seen.Lock()
	defer s.seen.Unlock()
}

// requests does what goroutines asked for, and reports whether there was anything.
func (s *Shop) requests() bool {
	found := false
	for _, l := range s.lives {
		for _, letter := range l.take() {
			found = true
			letter.do()
		}
	}
	return found
}

// ended finishes routines that returned.
func (s *Shop) ended() bool {
	i := slices.IndexFunc(s.routines, func(r *routine) bool { return r.ended })
	if i < 0 {
		return false
	}
	r := s.routines[i]
	s.routines = slices.Delete(s.routines, i, i+1)
	r.done()
	s.lives = slices.DeleteFunc(s.lives, func(l *life) bool {
		return l.over && !slices.ContainsFunc(s.routines, func(r *routine) bool { return r.life == l })
	})
	return true
}

// next hands over one answer and waits until nothing moves any more.
func (s *Shop) next() bool {
	if len(s.answers) == 0 {
		return false
	}
	wake := s.answers[0]
	s.answers = s.answers[1:]
	wake()
	synctest.Wait()
	return true
}
