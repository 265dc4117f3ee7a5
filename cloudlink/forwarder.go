package cloudlink

import (
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// linger is how long a session is kept after another till was elected and holds the lease.
	linger = 2 * time.Second
	// proven is how long a session must last before its end counts as a fresh loss.
	proven = 30 * time.Second
	// mute is how long the cloud may leave questions for the lease without an answer before the session is given up.
	mute = 12 * time.Second
	// reachFor is how long a successful try is believed: a little more than two probes.
	reachFor = 11 * time.Minute
	// probeEvery is how often a till that does not forward looks whether it could.
	probeEvery = 5 * time.Minute
	// answeredWithin is how long ago the cloud must have answered for a session to be worth something.
	answeredWithin = 7 * time.Second
	// askAgain is the wait after a question that was not answered, or while a rival that is gone still holds the lease.
	askAgain = 200 * time.Millisecond
	// askFirst is the wait in the first askFirstFor of a session, when the engine is not ready to ask yet. It is short because what is sent to the
	// cloud begins in the same moment, and on a slow line a question waits for seconds behind it.
	askFirst    = 20 * time.Millisecond
	askFirstFor = time.Second
	// heardFailures is as how many failures in a row the loss of a line counts at most if the cloud answered on it: the cloud is there, and the
	// line lives for moments at a time. The next call comes one to two seconds later.
	heardFailures = 2
	// askHeld is how often a till asks whose rival holds the lease.
	askHeld = 5 * time.Second
	// reportEvery is how often an unchanged progress is said again.
	reportEvery = 30 * time.Second
)

// Coupling is the cloud that the shop is coupled with.
type Coupling struct {
	Cloud   crdt.TillID
	Base    string // its URL
	Account string // that it was coupled with there
}

// Forwarder decides for one till when to call the cloud, when to hang up and what to say about it. Its methods are called by one goroutine with
// times of one clock; after each input [Forwarder.Do] tells what to do, and [Forwarder.Next] when to ask again without an input.
type Forwarder struct {
	self   crdt.TillID
	jitter func(time.Duration) time.Duration

	on       bool
	coupling *Coupling
	decision election.Decision

	attempt  uint64 // number of the call that is under way or was answered; each call has its own
	calling  bool
	giveUp   bool     // the call is for what is no longer wanted
	session  *session // nil: none
	failures int
	failure  *Failure // of the last try; nil: it went well, or there was none
	next     time.Time

	reach      election.Reach
	reachSince time.Time
	triedAt    time.Time // when reach was found out
	probing    bool
	probeAt    time.Time
	seen       time.Time

	state      State // as shown, with its cause, since when
	cause      Cause
	stateSince time.Time

	progress Progress
	known    bool // progress was told
	first    bool // the first transfer has ended
	firstEnd bool // that is to be told
	complete time.Time
}

// session is a connection that was welcomed.
type session struct {
	since     time.Time
	id        uint64
	term      uint64 // held; 0: none
	until     time.Time
	holder    crdt.TillID
	asking    bool
	askAt     time.Time
	answered  time.Time
	heard     bool     // a question was answered
	said      Progress // reported last
	saidAt    time.Time
	reporting *Progress // on its way
	needless  time.Time // since when another till forwards; zero: none does
	ending    bool      // this side ends it
	hung      bool      // and said so
	// What was shown before it: a session that ends at once of the same cause mended nothing.
	causeBefore Cause
	sinceBefore time.Time
}

// NewForwarder returns a forwarder that is on and not coupled. jitter returns a number in [0, n).
func NewForwarder(self crdt.TillID, jitter func(n time.Duration) time.Duration, now time.Time) *Forwarder {
	f := &Forwarder{self: self, jitter: jitter, on: true, reachSince: now, stateSince: now}
	f.show(now)
	return f
}

// Switch turns forwarding at this till on or off.
func (f *Forwarder) Switch(now time.Time, on bool) {
	if f.on != on {
		f.on = on
		f.fresh(now)
	}
	f.show(now)
}

// Couple says which cloud the shop is coupled with; nil: none. firstDone: all there is was transferred once already.
func (f *Forwarder) Couple(now time.Time, c *Coupling, firstDone bool) {
	if f.coupling == nil || c == nil || *f.coupling != *c {
		f.coupling = c
		f.reach, f.reachSince, f.failure = election.Unknown, now, nil
		f.fresh(now)
	}
	f.first = firstDone
	f.show(now)
}

// fresh forgets what was learned about the way to the cloud and hangs up.
func (f *Forwarder) fresh(now time.Time) {
	f.failures, f.next, f.probeAt = 0, now, now
	f.giveUp = f.calling
	if f.probing { // what it finds is about something else
		f.probing = false
		f.attempt++
	}
	if f.session != nil {
		f.session.ending = true
	}
}

// Elected takes the decision of the election.
func (f *Forwarder) Elected(now time.Time, d election.Decision) {
	if d.Self && !f.decision.Self && (f.failure == nil || !f.failure.Cause.Lasting()) {
		f.failures, f.next = 0, now
	}
	f.decision = d
	f.show(now)
}

// Sync calls at once instead of waiting, and looks again whether the cloud can be reached.
func (f *Forwarder) Sync(now time.Time) {
	f.next, f.probeAt = now, now
	if f.session != nil {
		f.session.askAt, f.session.saidAt = now, time.Time{}
	}
}

// Networked says that the networks of the till changed, so that calling again may be of use.
func (f *Forwarder) Networked(now time.Time) {
	f.failures = 0
	f.Sync(now)
}
