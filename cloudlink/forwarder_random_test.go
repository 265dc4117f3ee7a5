package cloudlink_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

var seedFlag = flag.Uint64("seed", 0, "repeat the run with this seed")

// Whatever happens in whatever order: one call or session at a time, no question outside a session, no step for ever, and a wish to
// be connected ends in a call within two minutes.
func TestForwarderWhateverHappens(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, seed))
	causes := []cloudlink.Cause{cloudlink.ServerDown, cloudlink.NoInternet, cloudlink.Cause(greeting.Revoked), cloudlink.Quiet}
	for range 60 {
		s := newStepped(t, election.Decision{})
		calling, session := uint64(0), uint64(0) // attempts that are under way; 0: none
		hung := false
		take := func(steps []cloudlink.Step) {
			for _, step := range steps {
				switch {
				case step.Dial != nil:
					require.Zero(t, calling, "two calls at once")
					require.Zero(t, session, "a call beside a session")
					calling = step.Attempt
				case step.Hang && step.Attempt == calling:
					calling = 0 // the driver closes what comes of it
				case step.Hang:
					require.Equal(t, session, step.Attempt)
					require.False(t, hung, "hung up twice")
					hung = true
				case step.Ask != nil:
					require.Equal(t, session, step.Attempt)
					require.NotZero(t, session)
					if rnd.IntN(3) > 0 {
						a := lease.Answer{Granted: rnd.IntN(2) == 0, Term: rnd.Uint64N(9) + 1, LeftMS: lease.Life, Reason: []lease.Reason{lease.Given, lease.Held, lease.Superseded}[rnd.IntN(3)]}
						a.Granted = a.Reason == lease.Given
						s.Answered(s.now, step.Attempt, s.now, a)
					} else if rnd.IntN(2) == 0 {
						s.Unanswered(s.now, step.Attempt)
					}
				case step.Probe != nil:
					require.Zero(t, calling+session)
					if rnd.IntN(2) == 0 {
						s.Probed(s.now, step.Attempt, nil)
					}
				}
			}
		}
		failure := func() *cloudlink.Failure { return &cloudlink.Failure{Cause: causes[rnd.IntN(len(causes))]} }
		for range 300 {
			switch rnd.IntN(12) {
			case 0:
				s.Elected(s.now, []election.Decision{mine, others, {Uplink: other}, {}}[rnd.IntN(4)])
			case 1:
				s.Switch(s.now, rnd.IntN(4) > 0)
			case 2:
				if rnd.IntN(3) > 0 {
					s.Couple(s.now, &cloudlink.Coupling{Cloud: home.Cloud, Base: home.Base}, rnd.IntN(2) == 0)
				} else {
					s.Couple(s.now, nil, false)
				}
			case 3, 4:
				if calling != 0 {
					if rnd.IntN(3) == 0 {
						s.Failed(s.now, calling, failure())
					} else if s.Welcomed(s.now, calling, 5, crdt.TillID{}) {
						session, hung = calling, false
					}
					calling = 0
				}
			case 5:
				if session != 0 {
					s.Closed(s.now, session, failure())
					session = 0
				}
			case 6:
				s.Told(s.now, progress(rnd.Uint64N(3), 3))
			case 7:
				s.Sync(s.now)
			case 8:
				old := max(calling, session, 1) - 1
				s.Failed(s.now, old, failure())
				s.Closed(s.now, old, failure())
				require.False(t, s.Welcomed(s.now, old, 5, crdt.TillID{}))
			default:
				end := s.now.Add(time.Duration(rnd.IntN(20_000)) * time.Millisecond)
				for range 5000 {
					for more := s.Do(s.now); len(more) > 0; more = s.Do(s.now) {
						take(more)
					}
					next := s.Next(s.now)
					if next.IsZero() || !next.Before(end) {
						break
					}
					require.True(t, next.After(s.now), "asked again at once, for ever: %+v", s.Status())
					s.now = next
				}
				s.now = end
			}
			claim := s.Claim(s.now)
			require.True(t, claim.Term == 0 || session != 0)
			st := s.Status()
			require.Equal(t, session != 0, st.Connected)
			require.False(t, st.Since.After(s.now))
		}
		// In the end it is wanted, and free to call.
		if session != 0 {
			s.Closed(s.now, session, failure())
		} else if calling != 0 {
			s.Failed(s.now, calling, failure())
		}
		session, calling = 0, 0
		s.Switch(s.now, true)
		s.Couple(s.now, &home, true)
		s.Elected(s.now, mine)
		for range 100 {
			if take(s.Do(s.now)); calling != 0 {
				break
			}
			s.now = s.now.Add(2 * time.Second)
		}
		require.NotZero(t, calling, "%+v", s.Status())
	}
}
