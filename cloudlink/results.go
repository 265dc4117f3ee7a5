package cloudlink

import (
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// Welcomed says that a call was answered well: the session has this number, and the lease this holder. It returns false if nobody
// waits for the call any more; the connection is to be closed then.
func (f *Forwarder) Welcomed(now time.Time, attempt, id uint64, holder crdt.TillID) bool {
	if attempt != f.attempt || !f.calling {
		return false
	}
	f.calling = false
	if f.giveUp { // it was for another cloud
		f.giveUp = false
		return false
	}
	f.failure = nil
	f.session = &session{since: now, id: id, askAt: now, answered: now, holder: holder, causeBefore: f.cause, sinceBefore: f.stateSince}
	f.seen = now
	f.reached(now, election.Can)
	f.show(now)
	return true
}

// Failed says that a call came to nothing.
func (f *Forwarder) Failed(now time.Time, attempt uint64, why *Failure) {
	if attempt != f.attempt || !f.calling {
		return
	}
	f.calling = false
	if !f.giveUp {
		f.missed(now, why)
	}
	f.giveUp = false
	f.show(now)
}

// Closed says that the session of a call ended. why is nil if this side hung up.
func (f *Forwarder) Closed(now time.Time, attempt uint64, why *Failure) {
	if attempt != f.attempt || f.session == nil {
		return
	}
	s, atOnce := f.session, false
	f.session = nil
	switch {
	case s.ending && f.failure != nil: // it was counted when it was noticed
	case s.ending || why == nil:
		f.next = now
	case now.Sub(s.since) >= proven:
		// The next call tells whether the cloud is still there. All tills of a cloud lose it at the same moment.
		f.failures, f.failure, f.next = 0, why, now.Add(f.jitter(backoffFirst))
	default:
		if s.heard && why.Cause == ServerDown {
			f.failures = min(f.failures, heardFailures)
		}
		f.missed(now, why)
		atOnce = true
	}
	f.show(now)
	if atOnce && f.cause != NoCause && f.cause == s.causeBefore {
		f.stateSince = s.sinceBefore
	}
}

// missed counts a failure.
func (f *Forwarder) missed(now time.Time, why *Failure) {
	f.failure = why
	f.next = now.Add(backoff(f.failures, why, f.jitter))
	f.failures++
	f.reached(now, election.Cannot)
}

func (f *Forwarder) reached(now time.Time, r election.Reach) {
	if f.reach != r {
		f.reach, f.reachSince = r, now
	}
	f.triedAt, f.probeAt = now, now.Add(probeEvery+f.jitter(probeEvery/5))
}

// Probed says what a look at the cloud found; nil: it is there.
func (f *Forwarder) Probed(now time.Time, attempt uint64, why *Failure) {
	if !f.probing || attempt != f.attempt {
		return
	}
	f.probing = false
	if f.session != nil || f.calling {
		return
	}
	if why == nil {
		f.failures = 0
		if f.failure == nil || !f.failure.Cause.Lasting() {
			f.failure = nil
			f.reached(now, election.Can)
		}
	} else {
		f.missed(now, why)
		f.probeAt = f.next
	}
	f.show(now)
}

// Told takes how far the cloud is.
func (f *Forwarder) Told(now time.Time, p Progress) {
	f.known = true
	f.progress = p
	if f.session != nil && p.Pending() == 0 {
		f.complete = now
		if !f.first {
			f.first, f.firstEnd = true, true
		}
	}
	f.show(now)
}

// Answered takes the cloud's answer to a question for the lease that was asked at a time.
func (f *Forwarder) Answered(now time.Time, attempt uint64, asked time.Time, a lease.Answer) {
	s := f.session
	if s == nil || attempt != f.attempt {
		return
	}
	s.asking, s.heard, s.answered, f.seen = false, true, now, now
	f.reached(now, election.Can)
	s.holder = a.Holder
	switch {
	case a.Reason == lease.Superseded:
		s.term, s.ending = 0, true // a new session gets a newer number, but two programs with one key must not race
		f.missed(now, &Failure{Cause: Cause(greeting.Elsewhere)})
	case a.Granted:
		s.term, s.until = a.Term, asked.Add(time.Duration(a.LeftMS)*time.Millisecond)
		s.askAt = asked.Add(lease.Renew * time.Millisecond)
	default:
		s.term, s.askAt = 0, now.Add(askHeld)
		if f.decision.Gone > 0 {
			s.askAt = now.Add(askAgain)
		}
	}
	if a.Noted && s.reporting != nil {
		s.said, s.saidAt = *s.reporting, now
	}
	s.reporting = nil
	f.show(now)
}

// Moved says that the line took a good piece of what is sent to the cloud: it is slow, and not dead.
func (f *Forwarder) Moved(now time.Time, attempt uint64) {
	if s := f.session; s != nil && attempt == f.attempt {
		s.answered = now
	}
}

// Unanswered says that a question for the lease was not answered, or could not be asked.
func (f *Forwarder) Unanswered(now time.Time, attempt uint64) {
	s := f.session
	if s == nil || attempt != f.attempt {
		return
	}
	s.asking, s.reporting, s.askAt = false, nil, now.Add(askAgain)
	if !s.heard && now.Sub(s.since) < askFirstFor {
		s.askAt = now.Add(askFirst)
	}
	f.show(now)
}
