package cloudlink

import "time"

// show works out what is shown, and since when.
func (f *Forwarder) show(now time.Time) {
	state, cause := f.standing()
	if state != f.state || cause != f.cause {
		f.state, f.cause, f.stateSince = state, cause, now
	}
}

func (f *Forwarder) standing() (State, Cause) {
	cause := NoCause
	if f.failure != nil {
		cause = f.failure.Cause
	}
	switch {
	case !f.on:
		return Off, NoCause
	case f.coupling == nil:
		return NotCoupled, NoCause
	case f.session != nil && !f.session.ending:
		return f.transferring(), NoCause
	case f.decision.Uplink.IsZero():
		return Starting, cause
	case !f.decision.Self:
		return Waiting, cause
	case f.failure != nil:
		return Stuck, cause
	}
	return Connecting, NoCause
}

func (f *Forwarder) transferring() State {
	switch {
	case !f.known:
		return Connecting
	case !f.first:
		return FirstTransfer
	case f.progress.Pending() > 0:
		return CatchingUp
	}
	return UpToDate
}

// Status returns what to show.
func (f *Forwarder) Status() Status {
	out := Status{
		State: f.state, Since: f.stateSince, Cause: f.cause, Uplink: f.decision.Uplink, Detector: f.decision.Detector, Before: f.decision.Before,
		Holder: f.decision.Holder, Seen: f.seen, Attempts: f.failures, Progress: f.progress, Complete: f.complete,
	}
	if f.cause != NoCause {
		out.Text, out.Err, out.CloudSince = f.failure.Text, f.failure.Err, f.failure.Since
		if out.Text == "" {
			out.Text = f.cause.Text()
		}
	}
	switch s := f.session; {
	case s != nil:
		out.Connected, out.Session, out.Term = true, s.id, s.term
		if !s.holder.IsZero() {
			out.Holder = s.holder
		}
	case f.wanted() && !f.calling:
		out.Next = f.next
	}
	return out
}
