package whole

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

// cardDay is a day on which everybody pays by card, terminals do what they like, and tills die. The terminals' books must be
// what the tills show as captured: on receipts, on open tabs, or as cases; see [Shop.terminals].
func (s *Shop) cardDay() {
	s.Found("K1")
	s.Join("K2", s.Tills[0])
	s.Stock(s.Tills[0], articles)
	s.W.Conditions = simulation.Conditions{Latency: 5 * time.Millisecond, Fsync: 5 * time.Millisecond, Notice: time.Second}
	length := time.Duration(10+s.rand.IntN(30)) * time.Second
	end := s.W.Elapsed() + length
	s.closing = end
	s.stays = s.Tills[0].M.Till()
	for _, t := range s.Tills {
		t.Restart = func() time.Duration { return 100*time.Millisecond + s.under(5*time.Second) }
		s.payByCard(t, 200*time.Millisecond, end)
		for range s.rand.IntN(5) {
			s.W.At(s.under(length), func() {
				switch s.rand.IntN(4) {
				case 0:
					t.M.Kill()
				case 1:
					t.M.PowerCut()
				case 2:
					t.M.TearNext()
				default:
					s.W.Partition(s.under(length/2), Machines(s.Tills[0]), Machines(s.Tills[1]))
				}
			})
		}
	}
	s.W.Run(simulation.Epoch.Add(end))
	s.Heal()
	s.Check(s.present()...)
	s.W.CheckAtRest(Machines(s.present()...)...)
}

// payByCard puts somebody at a till who opens tabs, pays them by card, closes them, and asks the terminal.
func (s *Shop) payByCard(t *Till, pace, until time.Duration) {
	s.W.At(s.under(2*pace), func() {
		if s.W.Elapsed() >= until {
			return
		}
		if t.Idle() {
			s.byCard(t)
		}
		s.payByCard(t, pace, until)
	})
}

func (s *Shop) byCard(t *Till) {
	if again := t.again; again != nil {
		t.again = nil
		again()
		return
	}
	tab := s.anyTab(t)
	if tab == nil || len(t.Node().Tabs(context.Background())) < 3 {
		s.open(t)
		return
	}
	v, err := t.Node().Tab(context.Background(), tab.ID)
	switch {
	case err != nil:
	case len(v.Lines) == 0 || s.chance(10):
		s.add(t, *tab)
	case s.chance(25):
		s.toCard(t)
	case s.chance(8):
		s.decideAny(t)
	case s.chance(60):
		s.card(t, v)
	default:
		s.closeTab(t, v)
	}
}

func TestCardDays(t *testing.T) {
	number, count := *first, *seeds
	if *seed != 0 {
		number, count = *seed, 1
	}
	happened := make(map[string]int)
	for n := range count {
		Run(t, Options{Seed: number + uint64(n)}, func(s *Shop) {
			s.cardDay()
			for what, times := range s.told.answers {
				happened[what] += times
			}
		})
		if t.Failed() {
			t.Fatalf("replay with: go test ./node/nodetest/whole -run '^TestCardDays$' -v -args -seed=%d", number+uint64(n))
		}
	}
	t.Logf("in %d shops: %v", count, happened)
	if count < 20 {
		return
	}
	for _, what := range []string{"card", "card authorise", "card reverse", "card refused: terminal-busy", "card refused: card-payment-unknown",
		"close refused: card-payment-running", "cancel card", "query card", "card failed", "card refund", "card on a refund",
		"cancel asked", "refund asked"} {
		require.Positive(t, happened[what], fmt.Sprint(what, " in ", happened))
	}
}
