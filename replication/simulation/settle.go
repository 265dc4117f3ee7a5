package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt/shop"
)

// settle ends the faults, switches everything on, waits until all tills of the shop are equal, and checks all that must
// hold then.
func (s *branch) settle() {
	w := s.w
	w.Heal()
	for _, t := range s.tills {
		if t.manual = false; t.stuck == nil {
			t.m.StartIn(w.Under(100 * time.Millisecond))
		}
	}
	from := w.now
	if !w.RunUntil(Patience, s.equal) {
		if w.err == nil {
			w.Fail("the tills are not equal %v after the last fault: %s", Patience, differences(slices.Concat(s.groups()...)))
		}
		return
	}
	s.settled = w.now.Sub(from)
	if !s.repair() {
		return
	}
	s.stopCopies()
	// What is still on its way may only confirm.
	w.RunFor(time.Minute)
	if !s.equal() {
		w.Fail("the tills were equal and are no longer: %s", differences(slices.Concat(s.groups()...)))
		return
	}
	groups := s.groups()
	for _, group := range groups {
		w.CheckAtRest(group...)
		s.checkViews(group)
		s.checkClouds(group)
	}
	w.oracle.checkNumbers(w)
	w.CheckSilence(slices.Concat(groups...)...)
}

func (s *branch) equal() bool {
	return !slices.ContainsFunc(s.groups(), func(group []*Machine) bool { return !s.w.Equal(group...) })
}

// repair waits until the audits have put back what was damaged.
func (s *branch) repair() bool {
	w := s.w
	if !w.oracle.damaged {
		return true
	}
	for end := w.now.Add(10 * time.Minute); w.err == nil && !(s.equal() && s.unsound() == ""); w.RunFor(5 * time.Second) {
		if w.now.After(end) {
			w.Fail("what was damaged is not repaired: %s", s.unsound())
		}
	}
	if w.err != nil {
		return false
	}
	w.Sound()
	// What tills agree on because of audits they tell each other: starts that are joined.
	w.RunFor(3 * s.auditEvery)
	return w.err == nil
}

// unsound names the tills whose stores are not what they say.
func (s *branch) unsound() (out string) {
	for _, l := range s.w.running() {
		st, ok := l.opened.Store.(reader)
		if !ok {
			continue
		}
		digests := l.opened.Store.Digests()
		for _, scope := range sortedScopes(digests) {
			digest := digests[scope]
			if d, err := st.Recount(background, scope); err != nil || d != digest {
				out += fmt.Sprintf("%s in %v (%v); ", l.m.name, scope, err)
			}
			if kept, found, err := st.RecountDormant(background, scope); err != nil || kept != found {
				out += fmt.Sprintf("%s in what is dormant in %v (%v); ", l.m.name, scope, err)
			}
		}
		if left := l.core.Damaged(); len(left) > 0 {
			out += fmt.Sprintf("%s believes that %v are damaged; ", l.m.name, left)
		}
	}
	return out
}

// stopCopies switches off the machines that run as a till that another one is, too: somebody noticed.
func (s *branch) stopCopies() {
	for i, t := range s.tills {
		if t.copied && t.m.life != nil && slices.ContainsFunc(s.tills[:i], func(o *till) bool { return o.m.till == t.m.till && o.m.life != nil }) {
			t.manual = true
			t.m.Stop()
			t.stuck = errCopy
		}
	}
}

// checkViews checks that nobody is linked with a till that it knows to be revoked, that the roster has no problem, and that
// each line stands on a tab: on the same everywhere, since all hold the same.
func (s *branch) checkViews(members []*Machine) {
	for _, t := range s.tills {
		if t.m.life == nil || !slices.Contains(members, t.m) {
			continue
		}
		for _, e := range t.m.life.ends {
			other := e.peer().life.m
			if t.roster.State(other.till) == shop.Revoked {
				s.w.Fail("%s is linked with %s, which it knows to be revoked", t.m.name, other.name)
			}
			if c, cloud := t.roster.Cloud(other.till); cloud && !c.Coupled {
				s.w.Fail("%s is linked with %s, which it knows to be uncoupled", t.m.name, other.name)
			}
		}
		for _, id := range s.lines {
			t.checkLine(t.m.life, id)
		}
		// Who was revoked may have taken with it what explains the rest.
		// A cloud that was uncoupled, or never linked, knows a part at most.
		if problems := t.roster.Problems(); len(problems) > 0 && s.w.faults["revoked"] == 0 && !t.cloud {
			s.w.Fail("%s has a problem in its roster: %s", t.m.name, problems[0].Text)
		}
	}
}
