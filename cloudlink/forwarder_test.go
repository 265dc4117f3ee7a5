package cloudlink_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

var (
	me, other = crdt.TillID{1}, crdt.TillID{2}
	start     = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	home      = cloudlink.Coupling{Cloud: crdt.TillID{9}, Base: "https://cloud.example"}
	mine      = election.Decision{Uplink: me, Self: true}
	others    = election.Decision{Uplink: other, Holder: other, Before: me, Detector: election.Newer}
)

// stepped is a forwarder and its time.
type stepped struct {
	*cloudlink.Forwarder
	t   *testing.T
	now time.Time
}

func newStepped(t *testing.T, d election.Decision) *stepped {
	none := func(time.Duration) time.Duration { return 0 }
	s := &stepped{cloudlink.NewForwarder(me, none, start), t, start}
	s.Couple(start, &home, false)
	s.Elected(start, d)
	return s
}

// pass lets time pass, as a driver does: step by step, nothing before it is due. It returns the steps there were.
func (s *stepped) pass(d time.Duration) (steps []cloudlink.Step) {
	end := s.now.Add(d)
	for range 10_000 {
		for more := s.Do(s.now); len(more) > 0; more = s.Do(s.now) {
			steps = append(steps, more...)
		}
		next := s.Next(s.now)
		if next.IsZero() || !next.Before(end) {
			s.now = end
			return steps
		}
		require.True(s.t, next.After(s.now), "it wants to be asked again at once, for ever")
		s.now = next
	}
	s.t.Fatal("too many steps")
	return nil
}

// dial expects a call at once and returns its number.
func (s *stepped) dial() uint64 {
	steps := s.Do(s.now)
	require.Len(s.t, steps, 1)
	require.Equal(s.t, &home, steps[0].Dial)
	require.Empty(s.t, s.Do(s.now))
	return steps[0].Attempt
}

// connect calls and is welcomed.
func (s *stepped) connect() uint64 {
	attempt := s.dial()
	require.True(s.t, s.Welcomed(s.now, attempt, 5, crdt.TillID{}))
	return attempt
}

// ask expects a question now and answers it.
func (s *stepped) ask(attempt uint64, a lease.Answer) lease.Question {
	steps := s.Do(s.now)
	require.Len(s.t, steps, 1)
	require.NotNil(s.t, steps[0].Ask)
	s.Answered(s.now, attempt, s.now, a)
	return *steps[0].Ask
}

func granted(term uint64) lease.Answer {
	return lease.Answer{Granted: true, Term: term, Holder: me, LeftMS: lease.Life, Reason: lease.Given}
}

func progress(done, total uint64) cloudlink.Progress {
	return cloudlink.Progress{Classes: []lease.Class{{Name: "receipts", Done: done, Total: total, Pending: total - done}}}
}

func TestStatesFromTheFirstDay(t *testing.T) {
	s := newStepped(t, election.Decision{})
	s.Couple(start, nil, false)
	require.Equal(t, cloudlink.NotCoupled, s.Status().State)
	require.Empty(t, s.pass(time.Hour))
	s.Couple(s.now, &home, false)
	require.Equal(t, cloudlink.Starting, s.Status().State)
	s.Elected(s.now, others)
	require.Equal(t, cloudlink.Waiting, s.Status().State)
	require.Equal(t, other, s.Status().Uplink)
	s.Elected(s.now, mine)
	require.Equal(t, cloudlink.Connecting, s.Status().State)
	attempt := s.connect()
	s.ask(attempt, granted(3))
	s.Told(s.now, progress(0, 1000))
	require.Equal(t, cloudlink.FirstTransfer, s.Status().State)
	done, total := s.Status().Progress.Sum()
	require.EqualValues(t, 0, done)
	require.EqualValues(t, 1000, total)
	since := s.Status().Since
	s.now = s.now.Add(5 * time.Second)
	s.Told(s.now, progress(990, 1010))
	require.Equal(t, since, s.Status().Since)
	s.Told(s.now, progress(1020, 1020))
	require.Equal(t, cloudlink.UpToDate, s.Status().State)
	require.Equal(t, s.now, s.Status().Complete)
	firsts := 0
	for range 3 {
		for _, step := range s.Do(s.now) {
			if step.FirstDone {
				firsts++
			}
		}
		s.Told(s.now, progress(1020, 1020))
	}
	require.Equal(t, 1, firsts, "a clear end, told once")
	s.Told(s.now, progress(1020, 1021))
	require.Equal(t, cloudlink.CatchingUp, s.Status().State, "and never a first transfer again")
	s.Switch(s.now, false)
	require.Equal(t, cloudlink.Off, s.Status().State)
	require.Equal(t, election.Cannot, s.Claim(s.now).Reach)
	steps := s.Do(s.now)
	require.Equal(t, []cloudlink.Step{{Attempt: attempt, Hang: true}}, steps)
	s.Closed(s.now, attempt, nil)
	require.Empty(t, s.pass(time.Hour))
}

func TestCallsAreSpacedOut(t *testing.T) {
	s := newStepped(t, mine)
	refused := &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("connection refused")}
	var waits []time.Duration
	for range 9 {
		attempt := s.dial()
		s.Failed(s.now, attempt, refused)
		require.Equal(t, cloudlink.Stuck, s.Status().State)
		require.Equal(t, start, s.Status().Since, "since the first of them")
		waits = append(waits, s.Status().Next.Sub(s.now))
		require.Empty(t, s.Do(s.Status().Next.Add(-time.Millisecond)))
		s.now = s.Status().Next
	}
	want := []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} // the lower half; jitter adds up to as much
	for i := range want {
		require.Equal(t, want[i]*time.Millisecond, waits[i])
	}
	require.Equal(t, "the server of the cloud does not answer", s.Status().Text)
	require.Equal(t, election.Cannot, s.Claim(s.now).Reach)
	s.Sync(s.now)
	s.dial()
}

func TestJitterSpreadsCalls(t *testing.T) {
	most := func(n time.Duration) time.Duration { return n - 1 }
	f := cloudlink.NewForwarder(me, most, start)
	f.Couple(start, &home, false)
	f.Elected(start, mine)
	f.Failed(start, f.Do(start)[0].Attempt, &cloudlink.Failure{Cause: cloudlink.ServerDown, Retry: time.Minute})
	require.Equal(t, 75*time.Second, f.Status().Next.Sub(start), "what the cloud asked for, and a quarter at most")
}

func TestEachCauseIsSaid(t *testing.T) {
	for _, cause := range []cloudlink.Cause{cloudlink.NoNetwork, cloudlink.NoInternet, cloudlink.ServerDown, cloudlink.ProxyFails, cloudlink.Intercepted,
		cloudlink.Untrusted, cloudlink.OtherCloud, cloudlink.Quiet, cloudlink.BadAddress, cloudlink.StoreFails,
		cloudlink.Cause(greeting.NotCoupled), cloudlink.Cause(greeting.WrongAccount), cloudlink.Cause(greeting.Revoked), cloudlink.Cause(greeting.Retired),
		cloudlink.Cause(greeting.VersionTooOld), cloudlink.Cause(greeting.VersionTooNew), cloudlink.Cause(greeting.UnknownKey), cloudlink.Cause(greeting.BadProof),
		cloudlink.Cause(greeting.Elsewhere), cloudlink.Cause(greeting.Busy), cloudlink.Cause(greeting.Full), cloudlink.Cause(greeting.Maintenance)} {
		s := newStepped(t, mine)
		since := start.Add(-time.Hour)
		s.Failed(s.now, s.dial(), &cloudlink.Failure{Cause: cause, Since: since, Err: errors.New("exactly this")})
		st := s.Status()
		require.Equal(t, cloudlink.Stuck, st.State)
		require.Equal(t, cause, st.Cause)
		require.NotEqual(t, cloudlink.Cause("?").Text(), st.Text, cause)
		require.NotEqual(t, cloudlink.Cause("?").Advice(), cause.Advice(), cause)
		require.Equal(t, since, st.CloudSince)
		require.EqualError(t, st.Err, "exactly this")
		require.Equal(t, cause.Lasting(), st.Next.Sub(s.now) == 30*time.Second, cause)
		s.now = st.Next
		s.connect()
		require.Equal(t, cloudlink.NoCause, s.Status().Cause, "solved by itself")
	}
}

// A cloud that welcomes the till and cannot speak with it is no cloud that works: since when stays over the calls.
func TestSinceStaysOverSessionsThatEndAtOnce(t *testing.T) {
	s := newStepped(t, mine)
	why := &cloudlink.Failure{Cause: cloudlink.Cause(greeting.VersionTooOld)}
	since := s.now
	for range 5 {
		attempt := s.connect()
		require.Equal(t, cloudlink.NoCause, s.Status().Cause)
		s.Closed(s.now, attempt, why)
		require.Equal(t, cloudlink.Stuck, s.Status().State)
		require.Equal(t, since, s.Status().Since)
		require.Equal(t, 30*time.Second, s.Status().Next.Sub(s.now))
		s.now = s.Status().Next
	}
	attempt := s.connect()
	s.Closed(s.now, attempt, &cloudlink.Failure{Cause: cloudlink.ServerDown})
	require.Equal(t, s.now, s.Status().Since, "another cause")
	s.now = s.Status().Next
	attempt = s.connect()
	s.now = s.now.Add(time.Minute)
	s.Closed(s.now, attempt, &cloudlink.Failure{Cause: cloudlink.ServerDown})
	require.Equal(t, s.now, s.Status().Since, "it worked in between")
}

func TestLeaseIsKeptAndLost(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.connect()
	require.Equal(t, lease.Question{Session: 5}, s.ask(attempt, granted(3)))
	require.Equal(t, election.Claim{Reach: election.Can, Term: 3, Left: 6 * time.Second}, s.Claim(s.now))
	s.Told(s.now, progress(7, 10))
	require.Empty(t, s.Do(s.now))
	s.now = s.now.Add(2 * time.Second)
	q := s.ask(attempt, lease.Answer{Granted: true, Noted: true, Term: 3, Holder: me, LeftMS: 6000, Reason: lease.Renewed})
	require.Equal(t, lease.Question{Session: 5, Term: 3, Report: &lease.Report{Pending: 3, Classes: progress(7, 10).Classes}}, q)
	s.now = s.now.Add(2 * time.Second)
	require.Nil(t, s.ask(attempt, granted(3)).Report, "nothing new")

	// The cloud falls silent: the lease runs out, the others are told, the session is given up.
	renewed := s.now
	steps := s.pass(6*time.Second + time.Millisecond)
	require.Len(t, steps, 1, "one question is on its way")
	require.Zero(t, s.Claim(s.now).Term)
	require.Equal(t, election.Can, s.Claim(s.now).Reach)
	s.pass(time.Second)
	require.Equal(t, election.Cannot, s.Claim(s.now).Reach)
	steps = s.pass(6 * time.Second)
	require.Equal(t, []cloudlink.Step{{Attempt: attempt, Hang: true}}, steps)
	require.Equal(t, cloudlink.Stuck, s.Status().State)
	require.Equal(t, cloudlink.Quiet, s.Status().Cause)
	require.Equal(t, renewed.Add(12*time.Second), s.Status().Since)
	s.Closed(s.now, attempt, nil)
	require.False(t, s.Status().Connected)
	require.Equal(t, cloudlink.Quiet, s.Status().Cause)
}

func TestQuestionBeforeTheEngineIsReady(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.connect()
	var waits []time.Duration
	for range 55 {
		require.NotNil(t, s.Do(s.now)[0].Ask)
		s.Unanswered(s.now, attempt)
		require.Empty(t, s.Do(s.now))
		waits = append(waits, s.Next(s.now).Sub(s.now))
		s.now = s.Next(s.now)
	}
	require.Equal(t, 20*time.Millisecond, waits[0], "before what is sent fills the line")
	require.Equal(t, 20*time.Millisecond, waits[49])
	require.Equal(t, 200*time.Millisecond, waits[50], "the engine will not be ready soon")
	s.ask(attempt, lease.Answer{Term: 1, Holder: other, LeftMS: 5000, Reason: lease.Held})
}

// A line that is lost every few moments carries something each time: the cloud answered, so the next call does not wait for long, however many came before.
// That is not so if the cloud was not heard, or ends sessions for a reason of its own.
func TestLossesOfALineOnWhichTheCloudAnswered(t *testing.T) {
	down := &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("connection reset")}
	for name, test := range map[string]struct {
		answered bool
		why      *cloudlink.Failure
		wait     time.Duration // without jitter
	}{
		"answered":             {true, down, time.Second},
		"welcomed only":        {false, down, 8 * time.Second},
		"refused by the cloud": {true, &cloudlink.Failure{Cause: cloudlink.Cause(greeting.Busy)}, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStepped(t, mine)
			for range 5 {
				s.Failed(s.now, s.dial(), down)
				s.now = s.Status().Next
			}
			for range 3 {
				attempt := s.connect()
				if test.answered {
					s.ask(attempt, granted(3))
				}
				s.now = s.now.Add(2 * time.Second)
				s.Closed(s.now, attempt, test.why)
				if wait := s.Status().Next.Sub(s.now); test.wait == time.Second {
					require.Equal(t, test.wait, wait)
				} else {
					require.GreaterOrEqual(t, wait, test.wait)
				}
				s.now = s.Status().Next
			}
		})
	}
}

func TestSessionOfATillThatIsNotElectedEnds(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.connect()
	s.ask(attempt, granted(3))
	s.Elected(s.now, election.Decision{Uplink: other})
	require.NotContains(t, s.pass(time.Minute/10), cloudlink.Step{Attempt: attempt, Hang: true}, "nobody else has the lease yet")
	s.Elected(s.now, others)
	require.Contains(t, s.pass(3*time.Second), cloudlink.Step{Attempt: attempt, Hang: true})
	s.Closed(s.now, attempt, nil)
	require.Equal(t, cloudlink.Waiting, s.Status().State)
	require.Equal(t, election.Newer, s.Status().Detector)
	require.Equal(t, me, s.Status().Before)

	s.Elected(s.now, mine)
	s.dial()
}

func TestOtherHolderDoesNotEndTheSessionOfAPartedTill(t *testing.T) {
	s := newStepped(t, mine)
	s.Couple(s.now, &home, true)
	attempt := s.connect()
	s.ask(attempt, lease.Answer{Term: 8, Holder: other, LeftMS: 5000, Reason: lease.Held})
	s.Told(s.now, progress(5, 5))
	for range 10 {
		s.now = s.Next(s.now)
		s.ask(attempt, lease.Answer{Term: 8, Holder: other, LeftMS: 5000, Reason: lease.Held})
	}
	require.Equal(t, cloudlink.UpToDate, s.Status().State, "both bring what they have")
	require.Equal(t, other, s.Status().Holder)
	require.Zero(t, s.Claim(s.now).Term)
	require.Equal(t, 50*time.Second, s.now.Sub(start))

	s.Elected(s.now, election.Decision{Uplink: me, Self: true, Before: other, Detector: election.LinkClosed, Gone: 8})
	s.now = s.Next(s.now)
	require.EqualValues(t, 8, s.ask(attempt, lease.Answer{Term: 8, Holder: other, LeftMS: 5000, Reason: lease.Held}).Gone)
	s.now = s.now.Add(200 * time.Millisecond)
	s.ask(attempt, granted(9))
	require.EqualValues(t, 9, s.Status().Term)
}

func TestTwoProgramsWithOneKeyDoNotRace(t *testing.T) {
	s := newStepped(t, mine)
	var waits []time.Duration
	for range 4 {
		attempt := s.connect()
		s.ask(attempt, lease.Answer{Term: 8, Holder: me, Reason: lease.Superseded})
		require.Equal(t, []cloudlink.Step{{Attempt: attempt, Hang: true}}, s.Do(s.now))
		s.Closed(s.now, attempt, nil)
		waits = append(waits, s.Status().Next.Sub(s.now))
		s.now = s.Status().Next
	}
	require.Equal(t, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}, waits)
}

func TestLongSessionIsFollowedByACallAtOnce(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.connect()
	for range 30 {
		s.ask(attempt, granted(3))
		s.now = s.now.Add(2 * time.Second)
	}
	s.Closed(s.now, attempt, &cloudlink.Failure{Cause: cloudlink.ServerDown})
	require.Equal(t, cloudlink.Stuck, s.Status().State)
	require.Equal(t, election.Can, s.Claim(s.now).Reach, "not given up before it was tried")
	s.Failed(s.now, s.dial(), &cloudlink.Failure{Cause: cloudlink.ServerDown})
	require.Equal(t, election.Cannot, s.Claim(s.now).Reach)
}

func TestWaitingTillLooksWhetherItCould(t *testing.T) {
	s := newStepped(t, others)
	steps := s.Do(s.now)
	require.Len(t, steps, 1)
	require.Equal(t, &home, steps[0].Probe)
	s.Probed(s.now, steps[0].Attempt, nil)
	require.Equal(t, election.Can, s.Claim(s.now).Reach)
	require.Len(t, s.pass(6*time.Minute), 1, "and again, not often")
	s.pass(10 * time.Minute)
	require.Equal(t, election.Unknown, s.Claim(s.now).Reach, "the second was never answered")

	s = newStepped(t, others)
	old := s.Do(s.now)[0].Attempt
	s.Couple(s.now, &cloudlink.Coupling{Cloud: home.Cloud, Base: "https://moved.example"}, false)
	s.Probed(s.now, old, nil)
	require.Equal(t, election.Unknown, s.Claim(s.now).Reach, "that was the other address")
	require.Equal(t, "https://moved.example", s.Do(s.now)[0].Probe.Base)

	s = newStepped(t, others)
	s.Probed(s.now, s.Do(s.now)[0].Attempt, &cloudlink.Failure{Cause: cloudlink.NoInternet})
	require.Equal(t, cloudlink.Waiting, s.Status().State)
	require.Equal(t, cloudlink.NoInternet, s.Status().Cause, "why it could not itself")
	require.Equal(t, election.Cannot, s.Claim(s.now).Reach)
	s.Elected(s.now, mine)
	s.dial()
}

func TestCallThatNobodyWantsAnyMore(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.dial()
	s.Elected(s.now, others)
	require.Equal(t, []cloudlink.Step{{Attempt: attempt, Hang: true}}, s.Do(s.now))
	require.False(t, s.Welcomed(s.now, attempt, 5, me))
	s.Failed(s.now, attempt, &cloudlink.Failure{Cause: cloudlink.ServerDown})
	require.Equal(t, cloudlink.NoCause, s.Status().Cause)

	s = newStepped(t, mine)
	attempt = s.dial()
	moved := cloudlink.Coupling{Cloud: home.Cloud, Base: "https://moved.example"}
	s.Couple(s.now, &moved, false)
	steps := append(s.Do(s.now), s.Do(s.now)...)
	require.Equal(t, []cloudlink.Step{{Attempt: attempt, Hang: true}, {Attempt: attempt + 2, Dial: &moved}}, steps)
}
