package election_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
)

var (
	a, b, c = crdt.TillID{1}, crdt.TillID{2}, crdt.TillID{3}
	start   = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	holds   = election.Claim{Reach: election.Can, Term: 7, Left: 5 * time.Second}
	can     = election.Claim{Reach: election.Can, Seen: -1}
)

func at(d time.Duration) time.Time { return start.Add(d) }

// waiting is till a, which sees b hold the lease with term 7 and c.
func waiting() *election.Election {
	e := election.New(a, election.Timing{}, start)
	e.Active([]crdt.TillID{a, b, c})
	e.Links(start, []crdt.TillID{b, c})
	e.Own(start, can)
	e.Heard(start, b, holds)
	e.Heard(start, c, can)
	return e
}

func TestAloneElectsItself(t *testing.T) {
	e := election.New(b, election.Timing{}, start)
	e.Active([]crdt.TillID{a, b, c})
	require.Zero(t, e.Decide(at(time.Second)), "the others may still be heard")
	require.Equal(t, at(1500*time.Millisecond), e.Next(at(time.Second)))
	d := e.Decide(at(1500 * time.Millisecond))
	require.Equal(t, election.Decision{Uplink: b, Self: true, Since: at(1500 * time.Millisecond)}, d)
	e.Own(at(2*time.Second), election.Claim{Reach: election.Cannot})
	require.True(t, e.Decide(at(2*time.Second)).Self, "who else")
}

func TestHolderIsFollowedAtOnce(t *testing.T) {
	e := waiting()
	d := e.Decide(start)
	require.Equal(t, []election.Known{
		{Till: b, Linked: true, Claim: holds, Heard: start, Missing: election.Silence}, {Till: c, Linked: true, Claim: can, Heard: start},
	}, e.Known(at(8*time.Second)))
	require.Equal(t, election.Decision{Uplink: b, Holder: b, Since: start}, d, "although a has the lower ID")
}

func TestDetectors(t *testing.T) {
	tests := []struct {
		name string
		do   func(e *election.Election)
		at   time.Duration // when the decision falls, not before
		want election.Detector
	}{
		{"crash", func(e *election.Election) { e.Links(start, []crdt.TillID{c}) }, time.Second, election.LinkClosed},
		{"freeze", func(e *election.Election) {}, 7 * time.Second, election.Silence},
		{"freeze, seen by gossip", func(e *election.Election) { e.Alive(at(3*time.Second), b, false) }, 3 * time.Second, election.Membership},
		{"revoked", func(e *election.Election) { e.Active([]crdt.TillID{a, c}) }, time.Millisecond, election.Removed},
		{"no internet", func(e *election.Election) {
			e.Heard(at(time.Second), b, election.Claim{Reach: election.Cannot, Term: 7})
		}, time.Second, election.Unreachable},
		{"no answer from the cloud", func(e *election.Election) { e.Heard(at(time.Second), b, can) }, time.Second, election.LeaseExpired},
		{"the cloud chose c", func(e *election.Election) {
			e.Heard(at(time.Second), c, election.Claim{Reach: election.Can, Term: 8})
		}, time.Second, election.Newer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := waiting()
			require.Equal(t, b, e.Decide(start).Uplink)
			if test.at > time.Second {
				require.Equal(t, b, e.Decide(at(test.at-time.Millisecond)).Uplink)
			}
			test.do(e)
			require.False(t, e.Next(start).After(at(max(test.at, time.Second))), "nobody would ask in time")
			if test.want == election.LinkClosed {
				require.Equal(t, b, e.Decide(at(test.at-time.Millisecond)).Uplink, "links are made anew now and then")
			}
			d := e.Decide(at(test.at))
			require.Equal(t, test.want, d.Detector)
			require.Equal(t, b, d.Before)
			require.NotEqual(t, election.Better.Text(), d.Detector.Text())
			if test.want == election.Newer {
				require.Equal(t, c, d.Uplink)
				return
			}
			require.True(t, d.Self)
			require.EqualValues(t, 7, d.Gone)
			require.Zero(t, d.Holder)
			e.Own(at(test.at+time.Second), election.Claim{Reach: election.Can, Term: 8})
			d = e.Decide(at(test.at + time.Second))
			require.Zero(t, d.Gone)
			require.Equal(t, a, d.Holder)
		})
	}
}

func TestShortInterruptionsChangeNothing(t *testing.T) {
	e := waiting()
	first := e.Decide(start)
	for i := range 50 {
		now := time.Duration(i) * 2 * time.Second
		e.Links(at(now), []crdt.TillID{c})
		require.Equal(t, first, e.Decide(at(now+900*time.Millisecond)))
		e.Links(at(now+900*time.Millisecond), []crdt.TillID{b, c})
		e.Heard(at(now+time.Second), b, holds)
		require.Equal(t, first, e.Decide(at(now+time.Second)))
	}
}

func TestThawedHolderDoesNotComeBack(t *testing.T) {
	e := waiting()
	e.Decide(start)
	require.True(t, e.Decide(at(8*time.Second)).Self)
	e.Own(at(9*time.Second), election.Claim{Reach: election.Can, Term: 8})
	e.Heard(at(60*time.Second), b, holds)
	require.True(t, e.Decide(at(60*time.Second)).Self, "its term is old")
}

func TestDeadTillThatSpeaksIsAlive(t *testing.T) {
	e := waiting()
	e.Decide(start)
	e.Alive(at(time.Second), b, false)
	e.Heard(at(2*time.Second), b, holds)
	require.Equal(t, b, e.Decide(at(2*time.Second)).Uplink, "gossip was wrong")
}

func TestOlderProgramIsNotElected(t *testing.T) {
	e := election.New(b, election.Timing{}, start)
	e.Active([]crdt.TillID{a, b})
	e.Links(start, []crdt.TillID{a})
	require.True(t, e.Decide(at(2*time.Second)).Self, "a never claimed anything")
	e.Heard(at(3*time.Second), a, can)
	e.Own(at(3*time.Second), can)
	d := e.Decide(at(3 * time.Second))
	require.Equal(t, a, d.Uplink)
	require.Equal(t, election.Better, d.Detector)
}

func TestClaimsAreToldWhenTheyChangeAndInTime(t *testing.T) {
	e := waiting()
	require.Equal(t, []crdt.TillID{b, c}, e.Due(start))
	require.Equal(t, start, e.Next(start))
	e.Telling(start, b)
	e.Telling(start, c)
	require.Empty(t, e.Due(at(time.Minute)), "it is on its way")
	require.True(t, e.Next(start).After(start))
	e.Told(b)
	e.Told(c)
	require.Empty(t, e.Due(at(29*time.Second)))
	require.Len(t, e.Due(at(30*time.Second)), 2)
	e.Own(at(time.Second), election.Claim{Reach: election.Can, Since: time.Minute, Seen: -1})
	require.Empty(t, e.Due(at(time.Second)), "nothing new in it")
	e.Own(at(2*time.Second), election.Claim{Reach: election.Can, Term: 8, Left: 6 * time.Second})
	require.Len(t, e.Due(at(2*time.Second)), 2)
	for _, till := range e.Due(at(2 * time.Second)) {
		e.Telling(at(2*time.Second), till)
		e.Told(till)
	}
	require.Empty(t, e.Due(at(5*time.Second)))
	require.Equal(t, at(6*time.Second), e.Next(at(5*time.Second)))
	require.Len(t, e.Due(at(6*time.Second)), 2)
	require.Equal(t, election.Claim{Reach: election.Can, Since: 3 * time.Second, Seen: 3 * time.Second, Term: 8, Left: 3 * time.Second}, e.Claim(at(5*time.Second)))
	e.Links(at(5*time.Second), []crdt.TillID{b})
	e.Links(at(6*time.Second), []crdt.TillID{b, c})
	require.Contains(t, e.Due(at(5500*time.Millisecond)), c, "a new link knows nothing")
}
