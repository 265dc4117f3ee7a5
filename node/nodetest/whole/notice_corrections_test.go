package whole

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// The checks of what was taken back have to notice what is wrong, too.
func TestTheChecksNoticeCorrections(t *testing.T) {
	for name, spoil := range map[string]func(v *view, sold, twice crdt.ObjectID){
		"a refund is not known":             func(v *view, sold, _ crdt.ObjectID) { delete(v.refunded, sold) },
		"a refund that is not there":        func(v *view, sold, _ crdt.ObjectID) { v.refunded[sold][0].Receipt = crdt.ObjectID{9} },
		"more is taken back than was sold":  func(v *view, sold, _ crdt.ObjectID) { v.refunded[sold][0].Lines[0].Quantity += 1000 },
		"taken back twice and no case":      func(v *view, _, _ crdt.ObjectID) { v.cases = nil },
		"a refund comes to a cent less":     func(v *view, sold, _ crdt.ObjectID) { byID(v, v.refunded[sold][1].Receipt).Parsed.Totals.Gross++ },
		"a payment is a cent more":          func(v *view, _, _ crdt.ObjectID) { v.receipts[0].Parsed.Payments[0].Amount++ },
		"a decided case was not put right":  func(v *view, _, twice crdt.ObjectID) { decide(v, "corrected") },
		"nobody typed the payment of a tab": func(v *view, sold, _ crdt.ObjectID) { byID(v, sold).Parsed.Payments[0].ID = crdt.ObjectID{9} },
	} {
		var err error
		Run(t, Options{Seed: 4}, func(s *Shop) {
			v, sold, twice := takenBack(t, s)
			if t.Failed() {
				return
			}
			s.judgeView(v, s.Tills)
			require.NoError(t, s.W.Err(), "what is right is not complained about")
			kept := v
			decide(&kept, "kept")
			s.corrections(kept)
			require.NoError(t, s.W.Err(), "a loss that somebody accepted is not complained about")
			spoil(&v, sold, twice)
			s.judgeView(v, s.Tills)
			err = s.takeErr()
		})
		require.ErrorIs(t, err, simulation.ErrViolation, name)
	}
}

func byID(v *view, id crdt.ObjectID) *node.Receipt {
	for i := range v.receipts {
		if v.receipts[i].ID == id {
			return &v.receipts[i]
		}
	}
	return nil
}

// decide says that the case of the view was decided.
func decide(v *view, how string) {
	for _, c := range v.cases {
		v.decided = append(v.decided, node.Case{ID: c.ID(), Case: c, Decided: []receipt.Resolution{{Decision: how}}})
	}
	v.cases = nil
}

// takenBack makes a receipt that was taken back in two steps, and one that two tills took back.
func takenBack(t *testing.T, s *Shop) (v view, sold, twice crdt.ObjectID) {
	t.Helper()
	text := `
		tills K1 K2
		K1 prices tea 3.33
		K1 opens a
		K1 adds a tea 1
		K1 closes a cash
		K1 refunds K1-000001 1 400
		K1 refunds K1-000001 1
		K1 sells 1 tea
		K1 cash drop 1.00
		equal 5s K1 K2
		partition K1|K2
		K1 cancels K1-000004
		K2 cancels K1-000004
		heal
		equal 30s K1 K2`
	sc, err := simulation.ParseScenario("taken back", text, Verbs())
	require.NoError(t, err)
	require.NoError(t, sc.Run(s.W, NewScript(s)))
	s.W.RunFor(time.Second)
	v, err = look(s.Tills[0].Node())
	require.NoError(t, err)
	require.Len(t, v.cases, 1)
	require.Equal(t, book.CaseDoubleRefund, v.cases[0].Kind)
	for id, list := range v.refunded {
		if id == v.cases[0].Receipts[0] {
			twice = id
		} else if len(list) == 2 {
			sold = id
		}
	}
	require.False(t, sold.IsZero() || twice.IsZero())
	return v, sold, twice
}
