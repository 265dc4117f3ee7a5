package whole

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Shops with signing devices that are slow, fail and return, while everything else goes wrong, too.
func TestSeedsWithSigningDevices(t *testing.T) {
	happened := make(map[string]int)
	var numbers []uint64
	var trace io.Writer
	for n := range uint64(max(6, *seeds*3/10)) {
		numbers = append(numbers, *first+n)
	}
	if *seed != 0 {
		numbers, trace = []uint64{*seed}, os.Stdout
	}
	for _, number := range numbers {
		country := []string{"DE", "AT"}[number%2]
		Run(t, Options{Seed: number, Country: country, Trace: trace}, func(s *Shop) {
			s.badDay()
			for what, times := range s.told.answers {
				happened[country+" "+what] += times
			}
		})
		if t.Failed() {
			t.Fatalf("replay with: go test ./node/nodetest/whole -run TestSeedsWithSigningDevices -v -args -seed=%d", number)
		}
	}
	t.Logf("in %d shops: %v", len(numbers), happened)
	if *seed != 0 || *first != 1 {
		return
	}
	for _, what := range []string{"DE signed receipts", "DE unsigned receipts", "DE signed orders", "AT signed receipts", "AT unsigned receipts",
		"AT control start", "AT control collective"} {
		require.Positive(t, happened[what], what)
	}
}

// A quiet shop signs everything.
func TestAQuietShopSignsEverything(t *testing.T) {
	for _, country := range []string{"DE", "AT"} {
		Run(t, Options{Seed: 1, Country: country}, func(s *Shop) {
			one := s.Found("K1")
			two := s.Join("K2", one)
			s.Stock(one, articles)
			for _, till := range s.Tills {
				s.Employ(till, 300*time.Millisecond, s.W.Elapsed()+20*time.Second)
			}
			s.W.RunFor(30 * time.Second)
			s.W.AwaitEqual(Machines(one, two)...)
			s.Check(one, two)
			require.Positive(t, s.told.answers["signed receipts"])
			require.Zero(t, s.told.answers["unsigned receipts"])
		})
	}
}
