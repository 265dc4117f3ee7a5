package lease_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

var seedFlag = flag.Uint64("seed", 0, "repeat the run with this seed")

func seeded(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// asker is a till as it might be: it remembers what it was told, sometimes late.
type asker struct {
	till          crdt.TillID
	session, term uint64
	late          []lease.Question // sent once, arriving again
}

// Whatever tills ask, in whatever order and how late: what the rules promise holds after every step.
func TestRulesHoldWhateverIsAsked(t *testing.T) {
	rnd := seeded(t)
	for range 60 {
		var s lease.State
		now := int64(1_700_000_000_000)
		ended := make(map[uint64]bool)
		askers := []*asker{{till: crdt.TillID{1}}, {till: crdt.TillID{1}}, {till: crdt.TillID{2}}, {till: crdt.TillID{3}}}
		for range 150 {
			now += rnd.Int64N(1500)
			if rnd.IntN(40) == 0 {
				now -= rnd.Int64N(10_000) // set back
			}
			a := askers[rnd.IntN(len(askers))]
			before := s
			switch rnd.IntN(8) {
			case 0:
				a.session, a.term = s.Open(), 0
			case 1:
				s.End(a.session, now)
				ended[a.session] = true
			default:
				q := lease.Question{Session: a.session, Term: a.term}
				if rnd.IntN(3) == 0 {
					q.Gone = s.Term - rnd.Uint64N(2)
				}
				if rnd.IntN(2) == 0 {
					q.Report = &lease.Report{Pending: rnd.Uint64N(3)}
				}
				if rnd.IntN(5) == 0 && len(a.late) > 0 {
					q = a.late[rnd.IntN(len(a.late))]
				}
				a.late = append(a.late, q)
				answer := s.Ask(a.till, q, now)
				if answer.Granted && q.Session == a.session {
					a.term = answer.Term
				}
				checkAnswer(t, before, s, a.till, q, answer, now, ended)
			}
			require.GreaterOrEqual(t, s.Term, before.Term)
			require.GreaterOrEqual(t, s.Cursor.Term, before.Cursor.Term)
			require.GreaterOrEqual(t, s.Cursor.CompleteMS, before.Cursor.CompleteMS)
			read, err := lease.DecodeState(s.Encode())
			require.NoError(t, err)
			require.Equal(t, s, read)
		}
	}
}

func checkAnswer(t *testing.T, before, after lease.State, till crdt.TillID, q lease.Question, a lease.Answer, now int64, ended map[uint64]bool) {
	t.Helper()
	require.Equal(t, after.Term, a.Term)
	require.LessOrEqual(t, a.LeftMS, int64(lease.Life))
	if a.Granted {
		require.True(t, after.Live(now))
		require.Equal(t, till, after.Holder)
		require.Equal(t, q.Session, after.Session)
		require.Positive(t, a.LeftMS)
	}
	hands := after.Holder != before.Holder || after.Session != before.Session
	if hands {
		require.Equal(t, before.Term+1, after.Term, "every change of hands is a new term")
		over := before.Term == 0 || now-before.RenewMS >= lease.Life || ended[before.Session]
		early := q.Gone == before.Term && now-before.RenewMS >= lease.Gone
		require.True(t, over || early || before.Holder == till, "%+v lost its lease to %+v at %d", before, q, now)
	}
	if after.Cursor.AtMS != before.Cursor.AtMS || after.Cursor.Pending != before.Cursor.Pending {
		require.True(t, a.Noted)
		require.Equal(t, before.Term, q.Term, "a stale term moved the cursor")
		require.Equal(t, before.Holder, till)
		require.Equal(t, before.Session, q.Session)
	}
	if !a.Granted {
		if before.RenewMS > now { // the clock was set back
			before.RenewMS, before.UntilMS = now, min(before.UntilMS, now+lease.Life)
		}
		require.Equal(t, before, after, "a refused question changes nothing")
	}
}

// A holder that falls silent is followed within the life of its lease by whoever asks.
func TestSilentHolderIsFollowed(t *testing.T) {
	rnd := seeded(t)
	for range 50 {
		var s lease.State
		now := rnd.Int64N(1 << 40)
		silent, next := s.Open(), s.Open()
		s.Ask(anna, lease.Question{Session: silent}, now)
		fell := now
		for !s.Ask(ben, lease.Question{Session: next}, now).Granted {
			now += 1 + rnd.Int64N(lease.Renew)
		}
		require.Less(t, now-fell, int64(lease.Life+lease.Renew))
	}
}
