package whole

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

// Each mistake has to be noticed within a few shops in which tills are revoked and found again.
func TestPlantedMistakesAreNoticed(t *testing.T) {
	if raceDetector {
		t.Skip("the same shops as in TestSeeds, many of them: left to a run without the race detector")
	}
	for plant, known := range map[Plant]struct {
		from uint64 // a shop not far before one that notices it
		says string
	}{
		PlantLinks: {1, "revoked"},
		PlantKeys:  {6, "knows the key of the group"},
		PlantTaken: {12, "is not there"},
	} {
		var err error
		for seed := known.from; err == nil && seed < known.from+60; seed++ {
			Run(t, Options{Seed: seed, Plant: plant}, func(s *Shop) {
				s.badDay()
				err = s.takeErr()
			})
		}
		require.ErrorIs(t, err, simulation.ErrViolation, plant)
		require.ErrorContains(t, err, known.says)
		t.Logf("%s: %v", plant, err)
	}
}
