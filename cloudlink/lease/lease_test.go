package lease_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

var anna, ben = crdt.TillID{1}, crdt.TillID{2}

func TestLeaseIsGivenRenewedAndTakenOver(t *testing.T) {
	var s lease.State
	first, second := s.Open(), s.Open()
	a := s.Ask(anna, lease.Question{Session: first}, 1000)
	require.Equal(t, lease.Answer{Granted: true, Term: 1, Holder: anna, LeftMS: 6000, Reason: lease.Given, NowMS: 1000}, a)
	require.Equal(t, lease.Answer{Term: 1, Holder: anna, LeftMS: 5000, Reason: lease.Held, NowMS: 2000}, s.Ask(ben, lease.Question{Session: second}, 2000))
	require.Equal(t, lease.Renewed, s.Ask(anna, lease.Question{Session: first, Term: 1}, 3000).Reason)
	require.False(t, s.Ask(ben, lease.Question{Session: second}, 8999).Granted)
	a = s.Ask(ben, lease.Question{Session: second}, 9000)
	require.True(t, a.Granted)
	require.EqualValues(t, 2, a.Term)

	// Anna was frozen and thaws.
	a = s.Ask(anna, lease.Question{Session: first, Term: 1, Report: &lease.Report{}}, 9001)
	require.Equal(t, lease.Answer{Term: 2, Holder: ben, LeftMS: 5999, Reason: lease.Held, NowMS: 9001}, a)
	require.Zero(t, s.Cursor.AtMS, "a stale term moves no cursor")
}

func TestHolderThatIsGoneIsTakenOverEarly(t *testing.T) {
	var s lease.State
	first, second := s.Open(), s.Open()
	s.Ask(anna, lease.Question{Session: first}, 1000)
	require.Equal(t, lease.Held, s.Ask(ben, lease.Question{Session: second, Gone: 1}, 1000+lease.Gone-1).Reason, "it may be alive")
	require.Equal(t, lease.Held, s.Ask(ben, lease.Question{Session: second, Gone: 9}, 1000+lease.Gone).Reason, "another term was meant")
	require.Equal(t, lease.HolderGone, s.Ask(ben, lease.Question{Session: second, Gone: 1}, 1000+lease.Gone).Reason)

	s.End(first, 4000)
	require.True(t, s.Live(4000), "that session does not hold it any more")
	s.End(second, 4000)
	require.False(t, s.Live(4000))
	third := s.Open()
	require.Equal(t, lease.Given, s.Ask(anna, lease.Question{Session: third}, 4000).Reason, "the cloud saw the session end")
	fourth := s.Open()
	require.Equal(t, lease.Reopened, s.Ask(anna, lease.Question{Session: fourth}, 4001).Reason)
	require.Equal(t, lease.Superseded, s.Ask(anna, lease.Question{Session: third, Term: 3}, 4002).Reason)
	require.Equal(t, lease.Superseded, s.Ask(ben, lease.Question{Session: fourth + 1}, 4002).Reason, "no such session")
	require.Equal(t, lease.Superseded, s.Ask(ben, lease.Question{}, 99999).Reason)
}

func TestClockOfTheCloudJumps(t *testing.T) {
	var s lease.State
	first, second := s.Open(), s.Open()
	s.Ask(anna, lease.Question{Session: first}, 1_000_000)
	require.EqualValues(t, lease.Life, s.Ask(ben, lease.Question{Session: second, Gone: 1}, 500_000).LeftMS)
	require.True(t, s.Ask(anna, lease.Question{Session: first, Term: 1}, 500_001).Granted)
	require.True(t, s.Ask(ben, lease.Question{Session: second}, 506_001).Granted, "not an hour later")
}

func TestReportMovesTheCursor(t *testing.T) {
	var s lease.State
	session := s.Open()
	report := &lease.Report{Pending: 3, Classes: []lease.Class{{Name: "receipts", Done: 7, Total: 10, Pending: 3}}}
	require.False(t, s.Ask(anna, lease.Question{Session: session, Report: report}, 1000).Noted, "it did not know its term")
	require.True(t, s.Ask(anna, lease.Question{Session: session, Term: 1, Report: report}, 1500).Noted)
	require.Equal(t, lease.Cursor{Term: 1, Till: anna, AtMS: 1500, Pending: 3, Classes: report.Classes}, s.Cursor)
	s.Ask(anna, lease.Question{Session: session, Term: 1}, 2000)
	require.EqualValues(t, 1500, s.Cursor.AtMS, "nothing new was said")
	s.Ask(anna, lease.Question{Session: session, Term: 1, Report: &lease.Report{}}, 3000)
	s.Ask(anna, lease.Question{Session: session, Term: 1, Report: report}, 4000)
	require.EqualValues(t, 3000, s.Cursor.CompleteMS)
	require.EqualValues(t, 3, s.Cursor.Pending)
}

func TestRenewalsNeedNotBeKept(t *testing.T) {
	var s lease.State
	session := s.Open()
	require.True(t, s.Lasting(lease.State{}))
	before := s
	s.Ask(anna, lease.Question{Session: session}, 1000)
	require.True(t, s.Lasting(before))
	s.Ask(anna, lease.Question{Session: session, Term: 1, Report: &lease.Report{}}, 2000)
	before = s
	s.Ask(anna, lease.Question{Session: session, Term: 1, Report: &lease.Report{}}, 4000)
	require.False(t, s.Lasting(before))
	s.Ask(anna, lease.Question{Session: session, Term: 1, Report: &lease.Report{Pending: 1}}, 6000)
	require.True(t, s.Lasting(before))
}
