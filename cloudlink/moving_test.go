package cloudlink_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
)

// TestASlowLineIsNotGivenUp: answers wait behind what is sent, for longer than a cloud may be silent. While the line takes something the session
// stays, and when it takes nothing any more it is given up as ever.
func TestASlowLineIsNotGivenUp(t *testing.T) {
	s := newStepped(t, mine)
	attempt := s.connect()
	s.ask(attempt, granted(3))
	for range 20 {
		for _, step := range s.pass(5 * time.Second) {
			require.False(t, step.Hang)
		}
		s.Moved(s.now, attempt)
		s.Moved(s.now, attempt+1) // of another connection, which is over
	}
	require.Equal(t, election.Can, s.Claim(s.now).Reach)
	require.True(t, s.Status().Connected)
	moved := s.now
	steps := s.pass(13 * time.Second)
	require.Equal(t, cloudlink.Step{Attempt: attempt, Hang: true}, steps[len(steps)-1])
	require.Equal(t, cloudlink.Quiet, s.Status().Cause)
	require.Equal(t, moved.Add(12*time.Second), s.Status().Since)
}
