package simulation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

// TestPlants switches mistakes on, one at a time: the simulator is worth what it notices.
func TestPlants(t *testing.T) {
	r := newRunner(t)
	for p := simulation.PlantNone + 1; p.Valid(); p++ {
		t.Run(p.String(), func(t *testing.T) {
			const limit = 100
			for seed := uint64(1); seed <= limit; seed++ {
				if _, err := r.Run(simulation.Run{Seed: seed, Plant: p}); err != nil {
					require.ErrorIs(t, err, simulation.ErrViolation)
					t.Logf("noticed by seed %d: %.300v", seed, err)
					return
				}
			}
			t.Fatalf("not noticed within %d seeds", limit)
		})
	}
}

// TestOccasionsAreNoMistakes: what provokes a mistake is none itself.
func TestOccasionsAreNoMistakes(t *testing.T) {
	r := newRunner(t)
	for p := simulation.PlantNone + 1; p.Valid(); p++ {
		for seed := uint64(1); seed <= 3; seed++ {
			require.NoError(t, r.RunOccasion(seed, p), "%s, seed %d", p, seed)
		}
	}
}
