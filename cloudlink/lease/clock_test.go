package lease_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// The cloud's clock was hours ahead and is set right, and the holder is gone: the lease runs out in its time, not in hours, also for a
// till that knows the holder gone, and also from a state that was restored.
func TestAClockThatIsSetBackKeepsNoLeaseAlive(t *testing.T) {
	const right, ahead = 1_800_000_000_000, 1_800_000_000_000 + 26*3_600_000
	one, two := crdt.TillID{1}, crdt.TillID{2}
	for _, gone := range []bool{false, true} {
		var s lease.State
		require.True(t, s.Ask(one, lease.Question{Session: s.Open()}, ahead).Granted)
		s, err := lease.DecodeState(s.Encode())
		require.NoError(t, err)
		q := lease.Question{Session: s.Open()}
		if gone {
			q.Gone = s.Term
		}
		require.Equal(t, lease.Held, s.Ask(two, q, right).Reason, "the holder may still believe in it")
		wait, reason := int64(lease.Life), lease.Given
		if gone {
			wait, reason = lease.Gone, lease.HolderGone
		}
		require.Equal(t, lease.Held, s.Ask(two, q, right+wait-1).Reason)
		a := s.Ask(two, q, right+wait)
		require.Equal(t, reason, a.Reason)
		require.EqualValues(t, 2, a.Term)
	}
}
