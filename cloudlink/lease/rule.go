package lease

import "github.com/tillmesh/tillmesh/crdt"

// Reason says why a question was answered as it was. Reasons are stable and only grow.
type Reason string

// The reasons.
const (
	Given      Reason = "given"       // nobody held it, or the time of the holder was over
	Renewed    Reason = "renewed"     // by its holder
	Reopened   Reason = "reopened"    // the same till, by a newer session
	HolderGone Reason = "holder-gone" // taken over early: the asker knows the holder gone and it did not renew
	Held       Reason = "held"        // refused: another till holds it
	Superseded Reason = "superseded"  // refused: the same till has a newer session, or this session never was
)

// Ask answers the question of a till, whose key the connection proved, and changes the state accordingly. What the question reports
// is noted only if the till held the lease already and asked under its term.
func (s *State) Ask(till crdt.TillID, q Question, nowMS int64) Answer {
	s.setBack(nowMS)
	reason := s.decide(till, q, nowMS)
	switch reason {
	case Renewed:
		s.RenewMS, s.UntilMS = nowMS, nowMS+Life
	case Given, Reopened, HolderGone:
		s.Term++
		s.Holder, s.Session = till, q.Session
		s.GivenMS, s.RenewMS, s.UntilMS = nowMS, nowMS, nowMS+Life
	case Held, Superseded:
	}
	a := Answer{Term: s.Term, Holder: s.Holder, LeftMS: s.left(nowMS), Reason: reason, NowMS: nowMS}
	a.Granted = reason != Held && reason != Superseded
	if reason == Renewed && q.Report != nil && q.Term == s.Term {
		s.note(till, *q.Report, nowMS)
		a.Noted = true
	}
	return a
}

func (s *State) decide(till crdt.TillID, q Question, nowMS int64) Reason {
	switch {
	case q.Session == 0 || q.Session > s.Sessions:
		return Superseded // a state that was restored numbers sessions again
	case s.Term > 0 && s.Holder == till && q.Session < s.Session:
		return Superseded
	case s.Term > 0 && s.Holder == till && q.Session == s.Session && q.Term == s.Term:
		return Renewed // also after its time, as long as nobody else asked
	case !s.Live(nowMS):
		return Given
	case s.Holder == till && q.Session == s.Session:
		return Renewed // it was not told its term: the answer was lost
	case s.Holder == till:
		return Reopened
	case q.Gone == s.Term && s.idle(nowMS) >= Gone:
		return HolderGone
	}
	return Held
}

// setBack takes note that the clock was set back since the lease was renewed: from now on it lives no longer than any other. Else one
// that nobody renews any more would hold until the clock shows that time again.
func (s *State) setBack(nowMS int64) {
	if s.RenewMS > nowMS {
		s.RenewMS, s.UntilMS = nowMS, min(s.UntilMS, nowMS+Life)
	}
}

// idle is how long the holder did not renew. A clock that was set back counts as no time.
func (s *State) idle(nowMS int64) int64 { return max(0, nowMS-s.RenewMS) }

// note moves the cursor. The caller has checked the term.
func (s *State) note(till crdt.TillID, r Report, nowMS int64) {
	complete := s.Cursor.CompleteMS
	if r.Pending == 0 {
		complete = max(complete, nowMS)
	}
	s.Cursor = Cursor{Term: s.Term, Till: till, AtMS: nowMS, Pending: r.Pending, CompleteMS: complete, Classes: r.Classes}
}
