package cloudlink

import (
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
)

// Step is something to do. Exactly one field is set beside Attempt.
type Step struct {
	Attempt uint64 // to be given back with what comes of it
	// Dial: call this cloud; then Welcomed, and later Closed, or Failed.
	Dial *Coupling
	// Hang: end the session, or give up the call; then Closed, unless it was a call.
	Hang bool
	// Ask: put this question under [lease.Topic]; then Answered or Unanswered.
	Ask *lease.Question
	// Probe: look whether this cloud is there; then Probed.
	Probe *Coupling
	// FirstDone: the first transfer has ended; keep that.
	FirstDone bool
}

// Do returns what is to be done now. It is asked until it returns nothing.
func (f *Forwarder) Do(now time.Time) []Step {
	var steps []Step
	if f.firstEnd {
		f.firstEnd = false
		steps = append(steps, Step{Attempt: f.attempt, FirstDone: true})
	}
	f.expire(now)
	switch {
	case f.session != nil:
		steps = f.keepSession(now, steps)
	case f.calling && (f.giveUp || !f.wanted()):
		f.calling, f.giveUp = false, false
		steps = append(steps, Step{Attempt: f.attempt, Hang: true})
		f.attempt++
	case f.calling:
	case f.wanted() && !now.Before(f.next):
		f.attempt++
		f.calling, f.giveUp, f.probing = true, false, false
		c := *f.coupling
		steps = append(steps, Step{Attempt: f.attempt, Dial: &c})
	case f.mayProbe() && !f.probing && !now.Before(f.probeAt):
		f.probing = true
		c := *f.coupling
		steps = append(steps, Step{Attempt: f.attempt, Probe: &c})
	}
	f.show(now)
	return steps
}

// expire notes what time alone changes.
func (f *Forwarder) expire(now time.Time) {
	if s := f.session; s != nil {
		if s.term > 0 && !now.Before(s.until) {
			s.term = 0
		}
		switch {
		case now.Sub(s.answered) >= mute && !s.ending:
			s.ending = true
			f.missed(now, &Failure{Cause: Quiet})
		case now.Sub(s.answered) >= answeredWithin && f.reach == election.Can:
			f.reach, f.reachSince = election.Cannot, now
		}
		return
	}
	if f.reach == election.Can && now.Sub(f.triedAt) >= reachFor {
		f.reach, f.reachSince = election.Unknown, now
	}
}

// wanted reports whether this till is to be connected.
func (f *Forwarder) wanted() bool { return f.mayProbe() && f.decision.Self }

// mayProbe reports whether this till has a cloud to look for.
func (f *Forwarder) mayProbe() bool { return f.on && f.coupling != nil }

func (f *Forwarder) keepSession(now time.Time, steps []Step) []Step {
	s := f.session
	f.linger(now)
	switch {
	case s.ending && !s.hung:
		s.hung = true
		steps = append(steps, Step{Attempt: f.attempt, Hang: true})
	case !s.ending && !s.asking && !now.Before(s.askAt):
		s.asking = true
		steps = append(steps, Step{Attempt: f.attempt, Ask: f.question(now, s)})
	}
	return steps
}

// question asks for the lease, and says how far the cloud is if that is news or was not said for a while.
func (f *Forwarder) question(now time.Time, s *session) *lease.Question {
	q := &lease.Question{Session: s.id, Term: s.term, Gone: f.decision.Gone}
	if f.known && s.term > 0 && (!f.progress.equal(s.said) || now.Sub(s.saidAt) >= reportEvery) {
		p := f.progress
		s.reporting = &p
		q.Report = &lease.Report{Pending: p.Pending(), Classes: p.Classes}
	}
	return q
}

// linger ends a session that is of no use any more because another till forwards for this one, too.
func (f *Forwarder) linger(now time.Time) {
	s := f.session
	needless := !f.decision.Self && !f.decision.Holder.IsZero() && f.decision.Holder != f.self
	switch {
	case !needless:
		s.needless = time.Time{}
	case s.needless.IsZero():
		s.needless = now
	case now.Sub(s.needless) >= linger:
		s.ending = true
	}
}

// Next returns when to ask Do again if nothing happens before; zero: not without an input.
func (f *Forwarder) Next(now time.Time) time.Time {
	var next time.Time
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	s := f.session
	switch {
	case s != nil && s.ending:
	case s != nil:
		sooner(s.answered.Add(mute))
		if f.reach == election.Can {
			sooner(s.answered.Add(answeredWithin))
		}
		if !s.asking {
			sooner(s.askAt)
		}
		if s.term > 0 {
			sooner(s.until)
		}
		if !s.needless.IsZero() {
			sooner(s.needless.Add(linger))
		}
	case f.calling:
	case f.wanted():
		sooner(f.next)
	case f.mayProbe() && !f.probing:
		sooner(f.probeAt)
	}
	if s == nil && f.reach == election.Can {
		sooner(f.triedAt.Add(reachFor))
	}
	if !next.IsZero() && next.Before(now) {
		return now
	}
	return next
}

// Claim returns what this till tells the others, see package election.
func (f *Forwarder) Claim(now time.Time) election.Claim {
	c := election.Claim{Reach: f.reach, Since: now.Sub(f.reachSince), Seen: -1}
	if !f.mayProbe() {
		c.Reach = election.Cannot
	}
	if !f.seen.IsZero() {
		c.Seen = now.Sub(f.seen)
	}
	if s := f.session; s != nil && s.term > 0 && !s.ending && now.Before(s.until) {
		c.Term, c.Left = s.term, s.until.Sub(now)
	}
	return c
}
