package whole

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	seeds = flag.Int("seeds", 20, "how many simulated shops to run")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "run this simulated shop and print what happens")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // worlds are small and short: memory is cheaper than collecting it
	goleak.VerifyTestMain(m)
}

// A few tills on a good day.
func TestAQuietShop(t *testing.T) {
	Run(t, Options{Seed: 1}, func(s *Shop) {
		one := s.Found("K1")
		two := s.Join("K2", one)
		s.Stock(one, articles)
		for _, till := range s.Tills {
			s.Employ(till, 300*time.Millisecond, s.W.Elapsed()+30*time.Second)
		}
		s.W.RunFor(40 * time.Second)
		s.W.AwaitEqual(Machines(one, two)...)
		s.Check(one, two)
		s.W.CheckAtRest(Machines(one, two)...)
		require.Greater(t, s.told.answers["close"], 5)
	})
}

func TestSeeds(t *testing.T) {
	if *seed != 0 {
		badDay(t, *seed, os.Stdout)
		return
	}
	happened := make(map[string]int)
	for n := range *seeds {
		number := *first + uint64(n)
		day := badDay(t, number, nil)
		if t.Failed() {
			t.Fatalf("replay with: go test ./node/nodetest/whole -run '^TestSeeds$' -v -args -seed=%d", number)
		}
		for what, times := range day.happened {
			happened[what] += times
		}
	}
	t.Logf("in %d shops: %v", *seeds, happened)
	// Days on which nothing goes wrong say little. What is rare has to happen in the many shops of "make check".
	must := []string{}
	if *seeds >= 20 {
		must = append(must, "close", "close refused: held-by", "add refused: exists", "cancel", "refund", "cash", "abandon", "kill", "power cut", "partition",
			"clock jumps")
	}
	if *seeds >= 200 {
		must = append(must, "close failed", "settled twice", "disk full", "revoked", "retired", "found till", "found receipts", "admit", "copy", "restored",
			"rehoused", "doubt: binding-missing", "cloud", "archived", "cloud killed", "cloud server hangs", "cloud full", "restored elsewhere",
			"answer lost after a commit", "lease held", "lease given")
	}
	for _, what := range must {
		require.Positive(t, happened[what], what)
	}
}

// Whatever the scheduler does: the trace of a run has to be the same, byte for byte.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for n := range min(1+*seeds/100, 3) {
		var a, b bytes.Buffer
		first := badDay(t, uint64(n+1), &a)
		before := runtime.GOMAXPROCS(1)
		second := badDay(t, uint64(n+1), &b)
		runtime.GOMAXPROCS(before)
		require.Equal(t, first, second, "seed %d", n+1)
		require.Equal(t, a.String(), b.String(), "seed %d", n+1)
	}
}

// badDay founds a shop, lets everything go wrong, and checks what is left.
func (s *Shop) badDay() {
	s.Found("K1")
	for n := range 1 + min(s.rand.IntN(4), s.rand.IntN(4)) {
		s.Join(fmt.Sprintf("K%d", n+2), s.Tills[0])
	}
	s.Stock(s.Tills[0], articles)
	s.maybeCloud()
	s.BadDay(time.Duration(10+s.rand.IntN(50)) * time.Second)
	s.Check(s.present()...)
	s.CheckDepartures(s.present()...)
	s.Cloud.Check(s.present()...)
	s.lose()
	s.Check(s.present()...)
	s.Cloud.Check(s.present()...)
	s.W.CheckAtRest(s.all()...)
}

// day is how the shop of a seed was.
type day struct {
	hash     [32]byte // of everything that happened
	happened map[string]int
}

// badDay runs the shop of a seed.
func badDay(t *testing.T, seed uint64, trace io.Writer) (d day) {
	t.Helper()
	Run(t, Options{Seed: seed, Trace: trace}, func(s *Shop) {
		s.badDay()
		_, faults := s.W.Counts()
		d = day{s.W.Hash(), s.told.answers}
		maps.Copy(d.happened, faults)
	})
	return d
}
