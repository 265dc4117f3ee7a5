package whole

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// Two tills and a cloud on a good day: one of them forwards, and what was sold is archived.
func TestAShopWithACloud(t *testing.T) {
	Run(t, Options{Seed: 1}, func(s *Shop) {
		one := s.Found("K1")
		two := s.Join("K2", one)
		s.Stock(one, articles)
		s.AddCloud(1).Couple(one)
		for _, till := range s.Tills {
			s.Employ(till, 300*time.Millisecond, s.W.Elapsed()+20*time.Second)
		}
		s.W.RunFor(25 * time.Second)
		s.everybody()
		s.Check(one, two)
		s.Cloud.Check(one, two)
		s.W.CheckAtRest(s.all()...)
		require.Len(t, s.all(), 3)
		online := s.Cloud.online()
		require.Len(t, online, 1)
		require.Equal(t, cloudlink.UpToDate, online[0].life.uplink.Status().State)
		require.Greater(t, s.told.answers["close"], 3)
		require.Positive(t, s.told.answers["archived"])
	})
}

// cloudSeed is a shop whose cloud is killed and put back from a backup.
const cloudSeed = 18

// A cloud brings goroutines, a database and locks of its own: none of that may change the run.
func TestTheSameSeedIsTheSameRunWithACloud(t *testing.T) {
	if raceDetector {
		t.Skip("left to a run without the race detector")
	}
	var a, b bytes.Buffer
	first := badDay(t, cloudSeed, &a)
	require.Positive(t, first.happened["cloud"])
	before := runtime.GOMAXPROCS(1)
	second := badDay(t, cloudSeed, &b)
	runtime.GOMAXPROCS(before)
	require.Equal(t, first, second)
	require.Equal(t, a.String(), b.String())
}

// Each mistake at the cloud has to be noticed within a few shops.
func TestPlantedMistakesAtTheCloudAreNoticed(t *testing.T) {
	if raceDetector {
		t.Skip("the same shops as in TestSeeds, many of them: left to a run without the race detector")
	}
	for plant, known := range map[Plant]struct {
		from uint64 // a shop not far before one that notices it
		says string
	}{
		PlantLeaves: {4, "are in the archive"},
		PlantTwice:  {4, "is in the archive twice"},
		PlantTerms:  {18, "hold the lease of term"},
		PlantStale:  {33, "the cursor is that of term"},
	} {
		var err error
		seed := known.from
		for ; err == nil && seed < known.from+60; seed++ {
			if !cloudy(seed) {
				continue
			}
			Run(t, Options{Seed: seed, Plant: plant}, func(s *Shop) {
				s.badDay()
				err = s.takeErr()
			})
		}
		require.ErrorIs(t, err, simulation.ErrViolation, plant)
		require.ErrorContains(t, err, known.says)
		t.Logf("%s, by seed %d: %v", plant, seed-1, err)
	}
}
