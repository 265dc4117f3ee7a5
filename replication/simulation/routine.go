package simulation

import (
	"errors"
	"iter"
	"slices"
)

// ErrLifeOver is what a routine gets that waits when its life ends.
var ErrLifeOver = errors.New("the life of the program is over")

// Wait lets a routine wait: begin is called at once with a function that makes the routine go on, which it calls, now or
// later in this life, once. Wait returns ErrLifeOver if the life ends before.
type Wait func(begin func(goOn func())) error

// routine is code that waits, in the one loop of the world.
type routine struct {
	next  func() (func(func()), bool)
	stop  func()
	over  bool
	inner bool // it runs now
	again bool // goOn was called while it ran
}

// Go runs code that has to wait, such as a use case that returns when its change is durable: body runs until it waits,
// and goes on where it was when what it waits for has come. It is not a goroutine of its own: while it runs nothing
// else does, and each run of the world is the same.
func (l *Life) Go(body func(wait Wait)) {
	r := &routine{}
	over := false
	r.next, r.stop = iter.Pull(func(yield func(func(func())) bool) {
		body(func(begin func(func())) error {
			if over || !yield(begin) {
				over = true
				return ErrLifeOver
			}
			return nil
		})
	})
	l.routines = append(l.routines, r)
	r.run()
	l.routines = slices.DeleteFunc(l.routines, func(r *routine) bool { return r.over })
}

// run lets the routine run until it waits for something that has not come yet.
func (r *routine) run() {
	if r.inner || r.over {
		r.again = true
		return
	}
	r.inner = true
	waits := true
	for more := true; more; {
		r.again = false
		var begin func(func())
		begin, waits = r.next()
		if r.over || !waits {
			break
		}
		begin(r.run)
		more = r.again && !r.over
	}
	r.inner = false
	if r.over { // its life ended while it ran
		r.stop()
	}
	r.over = r.over || !waits
}

// stopRoutines ends all that wait.
func (l *Life) stopRoutines() {
	routines := l.routines
	l.routines = nil
	for _, r := range routines {
		if r.over = true; !r.inner {
			r.stop()
		}
	}
}
