package whole

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// Checks that find nothing prove nothing: each has to notice what is wrong with what a till shows.
func TestTheChecksNotice(t *testing.T) {
	for name, spoil := range map[string]func(s *Shop, v *view){
		"a receipt is missing":             func(_ *Shop, v *view) { v.receipts = v.receipts[:len(v.receipts)-1] },
		"a receipt in the middle is":       func(_ *Shop, v *view) { v.receipts = slices.Delete(v.receipts, 1, 2) },
		"a document is another one":        func(_ *Shop, v *view) { v.receipts[0].Hash = receipt.Digest{1} },
		"a signature does not hold":        func(_ *Shop, v *view) { v.receipts[0].Signed.Signature[3] ^= 1 },
		"two documents under one number":   func(_ *Shop, v *view) { v.receipts[0].Alarm = true },
		"a line is gone":                   func(_ *Shop, v *view) { v.tabs[0].Lines = v.tabs[0].Lines[1:] },
		"a line is on two tabs":            func(_ *Shop, v *view) { v.tabs[0].Lines = append(v.tabs[0].Lines, v.tabs[1].Lines[0]) },
		"a line is on a tab and a receipt": func(_ *Shop, v *view) { v.tabs[0].Lines = append(v.tabs[0].Lines, lineOf(v.receipts[0])) },
		"nobody typed a line":              func(_ *Shop, v *view) { v.tabs[0].Lines[0].ID = crdt.ObjectID{9} },
		"a refused line is there":          func(s *Shop, v *view) { s.told.lines[v.tabs[0].Lines[0].ID] = refused },
		"a tab is gone":                    func(_ *Shop, v *view) { v.tabs = v.tabs[:1] },
		"nobody opened a tab":              func(s *Shop, v *view) { delete(s.told.tabs, v.tabs[0].ID) },
		"a void is gone":                   func(s *Shop, _ *view) { s.told.voids[crdt.ObjectID{9}] = saved },
		"a payment is gone":                func(_ *Shop, v *view) { v.tabs[0].Payments = nil },
		"a payment is twice": func(_ *Shop, v *view) {
			v.receipts[0].Parsed.Payments = append(v.receipts[0].Parsed.Payments, v.receipts[1].Parsed.Payments...)
		},
		"nobody took a payment":          func(s *Shop, v *view) { delete(s.told.payments, v.receipts[0].Parsed.Payments[0].ID) },
		"settled twice is not shown":     func(_ *Shop, v *view) { v.cases = nil },
		"settled twice is shown twice":   func(_ *Shop, v *view) { v.cases = append(v.cases, v.cases...) },
		"settled twice, but it was once": func(_ *Shop, v *view) { v.cases[0].Objects = append(v.cases[0].Objects, crdt.ObjectID{9}) },
	} {
		var err error
		Run(t, Options{Seed: 3}, func(s *Shop) {
			v := twiceSettled(t, s)
			if t.Failed() {
				return
			}
			s.judgeView(v, s.Tills)
			require.NoError(t, s.W.Err(), "what is right is not complained about")
			spoil(s, &v)
			s.judgeView(v, s.Tills)
			err = s.takeErr()
		})
		require.ErrorIs(t, err, simulation.ErrViolation, name)
	}
}

func lineOf(r node.Receipt) receipt.LineView { return receipt.LineView{ID: r.Parsed.Lines[0].ID} }

// twiceSettled makes two open tabs, some receipts, and one tab that was settled twice.
func twiceSettled(t *testing.T, s *Shop) view {
	t.Helper()
	text := `
		tills K1 K2
		K1 prices tea 3.00
		K1 sells 3 tea
		K2 sells 2 tea
		K1 opens a
		K1 adds a tea 2
		K1 voids a
		K1 opens b
		K1 adds b tea 1
		K1 pays a 1.00 cash
		K1 opens twice
		K1 adds twice tea 2
		equal 5s K1 K2
		partition K1|K2
		K1 closes twice cash
		K2 closes twice cash
		heal
		equal 30s K1 K2`
	sc, err := simulation.ParseScenario("twice", text, Verbs())
	require.NoError(t, err)
	require.NoError(t, sc.Run(s.W, NewScript(s)))
	s.W.RunFor(time.Second)
	v, err := look(s.Tills[0].Node())
	require.NoError(t, err)
	require.Len(t, v.tabs, 2)
	require.Len(t, v.receipts, 7)
	require.Equal(t, book.CaseDouble, v.cases[0].Kind)
	slices.SortFunc(v.tabs, func(a, b node.TabView) int { return len(b.Lines) - len(a.Lines) }) // a before b
	return v
}
