package whole

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// TestAClosingSurvivesDeathAtEveryStep: the till dies at some moment of a closing that counts, books a difference, takes
// money out and leaves a float. Whoever asks again, with the same key, gets one closing, and each step was done once.
func TestAClosingSurvivesDeathAtEveryStep(t *testing.T) {
	stages := make(map[string]int)
	for n := range 45 {
		for _, how := range []struct {
			name string
			die  func(m *simulation.Machine)
		}{{"killed", (*simulation.Machine).Kill}, {"power cut", (*simulation.Machine).PowerCut}} {
			at := time.Duration(n) * 500 * time.Microsecond
			Run(t, Options{Seed: uint64(n + 1)}, func(s *Shop) {
				till := s.Found("K1")
				s.W.Conditions.Fsync = 3 * time.Millisecond
				NewScript(s).restarts(till)
				s.Stock(till, articles)
				for range 3 {
					s.sell(till, func(node.Receipt, error) {})
					s.W.RunUntil(time.Minute, till.Idle)
				}
				counted, float := receipt.Amount(100_000), receipt.Amount(20_000)
				n := node.NewClosing{User: "Anna", Counted: &counted, Why: "Probe", Float: &float, KeepTabs: true}
				s.W.At(at, func() {
					how.die(till.M)
					v, err := till.rebuilt()
					require.NoError(t, err)
					stages[fmt.Sprint(len(v.receipts)-3, " steps, ", len(v.closings), " closings")]++
				})
				s.closeAs(till, n, "evening", false)
				s.W.RunFor(30 * time.Second) // it died, was switched on, and finished what it had begun
				head := fmt.Sprint(closingsOf(t, till), " of ", booked(t, till))
				till.again = nil
				var made node.Closing
				till.Do("closing", func(ctx context.Context, node1 *node.Till) (err error) {
					made, err = node1.CloseTill(node.ForRequest(ctx, "evening", [32]byte{1}), n)
					return err
				})
				require.NoError(t, s.W.Err())
				require.Equal(t, "K1 Z 1", made.Text, "%s after %v (%s)", how.name, at, head)
				require.Equal(t, 1, closingsOf(t, till))
				require.Equal(t, map[string]int{receipt.CaseDifference: 1, receipt.CaseTransit: 1, receipt.CaseFloat: 1}, booked(t, till), "%s after %v (%s)", how.name, at, head)
				require.Equal(t, []int64{1, 5}, []int64{made.Report.From, made.Report.To})
				require.NoError(t, till.Node().ResumeClosing(context.Background()))
				s.Heal()
				s.Check(till)
			})
			if t.Failed() {
				return
			}
		}
	}
	t.Log(stages)
	for _, stage := range []string{"0 steps, 0 closings", "1 steps, 0 closings", "2 steps, 0 closings", "2 steps, 1 closings", "3 steps, 1 closings"} {
		require.Positive(t, stages[stage], "it never died with %s", stage)
	}
}

// TestAnOlderDiskRepeatsNoClosing: the disk of a till is copied at some moment of a closing and put in again when the closing is
// over. The other till holds what was booked, so the till that goes on in a new number series must not book it a second time, must
// not say that what it counted then is in its drawer now, and must be able to make its next closing.
func TestAnOlderDiskRepeatsNoClosing(t *testing.T) {
	stages := make(map[string]int)
	for n := range 23 {
		Run(t, Options{Seed: uint64(n + 1)}, func(s *Shop) {
			till := s.Found("K1")
			other := s.Join("K2", till)
			s.W.Conditions.Fsync = 3 * time.Millisecond
			NewScript(s).restarts(till)
			s.Stock(till, articles)
			for range 3 {
				s.sell(till, func(node.Receipt, error) {})
				s.W.RunUntil(time.Minute, till.Idle)
			}
			counted, float := receipt.Amount(100_000), receipt.Amount(20_000)
			z := node.NewClosing{User: "Anna", Counted: &counted, Why: "Probe", Float: &float, KeepTabs: true}
			backup := till.M.Data().Clone()
			s.W.At(time.Duration(n)*time.Millisecond, func() {
				v, err := till.rebuilt()
				require.NoError(t, err)
				stages[fmt.Sprint(len(v.receipts)-3, " steps, ", len(v.closings), " closings")]++
				backup = till.M.Data().Clone()
			})
			s.closeAs(till, z, "evening", false)
			s.W.RunFor(30 * time.Second)
			s.W.AwaitEqual(Machines(till, other)...)
			once := map[string]int{receipt.CaseDifference: 1, receipt.CaseTransit: 1, receipt.CaseFloat: 1}
			require.Equal(t, once, booked(t, till))
			till.M.PowerCut()
			till.M.Insert(backup)
			till.disks++
			s.W.RunFor(time.Minute)
			s.W.AwaitEqual(Machines(till, other)...)
			require.Equal(t, once, booked(t, till))
			x, err := till.Node().Interim(context.Background())
			require.NoError(t, err)
			require.Zero(t, x.Report.Cash.Expected)
			till.Do("closing", func(ctx context.Context, node1 *node.Till) error {
				_, err := node1.CloseTill(ctx, node.NewClosing{KeepTabs: true})
				return err
			})
			s.Heal()
			s.Check(till, other)
		})
		if t.Failed() {
			t.Logf("the disk was copied after %d ms", n)
			return
		}
	}
	t.Log(stages)
	for _, stage := range []string{"0 steps, 0 closings", "1 steps, 0 closings", "2 steps, 0 closings", "2 steps, 1 closings", "3 steps, 1 closings"} {
		require.Positive(t, stages[stage], "the disk was never copied with %s", stage)
	}
}

func closingsOf(t *testing.T, till *Till) int {
	list, _, err := till.Node().Closings(context.Background(), node.ClosingFilter{}, "", 100)
	require.NoError(t, err)
	return len(list)
}

// booked counts the movements of cash by business case.
func booked(t *testing.T, till *Till) map[string]int {
	v, err := look(till.Node())
	require.NoError(t, err)
	out := make(map[string]int)
	for _, r := range v.receipts {
		if l := r.Parsed.Lines[0]; l.Case != receipt.SaleCase {
			out[l.Case]++
		}
	}
	return out
}

// Checks that find nothing prove nothing: those of closings have to notice what is wrong with what a till shows.
func TestTheChecksOfClosingsNotice(t *testing.T) {
	for name, spoil := range map[string]func(v *view){
		"a closing is gone":            func(v *view) { v.closings = v.closings[:1] },
		"a closing is another one":     func(v *view) { v.closings[0].Hash = receipt.Digest{1} },
		"a signature does not hold":    func(v *view) { v.closings[0].Verified = false },
		"two closings of one number":   func(v *view) { v.closings[0].Alarm = true },
		"a receipt is in two closings": func(v *view) { v.closings[1].Report.From-- },
		"a receipt is in no closing":   func(v *view) { v.closings[1].Report.From++ },
		"a number is left out":         func(v *view) { v.closings[1].Report.Number++ },
		"the chain is broken":          func(v *view) { v.closings[1].Report.Previous = receipt.Digest{1} },
		"the range is another one":     func(v *view) { v.closings[1].Report.Hash = receipt.Digest{1} },
		"a sum is wrong":               func(v *view) { v.closings[1].Report.Sums.Counts.Refunded++ },
		"the drawer is wrong":          func(v *view) { v.closings[1].Report.Cash.Expected++ },
		"a float was booked twice": func(v *view) {
			r := v.receipts[len(v.receipts)-1]
			r.Parsed.Number, r.ID = 99, crdt.ObjectID{99}
			v.receipts = append(v.receipts, r)
		},
		"a float was not booked": func(v *view) { v.receipts = v.receipts[:len(v.receipts)-1] },
	} {
		var err error
		Run(t, Options{Seed: 3}, func(s *Shop) {
			sc, perr := simulation.ParseScenario("closings", `
				tills K1
				K1 prices tea 3.00
				K1 sells 3 tea
				K1 makes z counted=10.00 why=Probe float=5.00
				K1 sells 2 tea
				K1 makes z`, Verbs())
			require.NoError(t, perr)
			require.NoError(t, sc.Run(s.W, NewScript(s)))
			v, lerr := look(s.Tills[0].Node())
			require.NoError(t, lerr)
			s.closings(v, s.away(s.Tills))
			require.NoError(t, s.W.Err(), "what is right is not complained about")
			spoil(&v)
			s.closings(v, s.away(s.Tills))
			err = s.takeErr()
		})
		require.ErrorIs(t, err, simulation.ErrViolation, name)
	}
}
