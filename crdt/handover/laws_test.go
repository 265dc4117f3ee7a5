package handover_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/crdttest"
	"github.com/tillmesh/tillmesh/crdt/handover"
)

// written turns what a builder returned into what the suite wants, under the object ID of the history. A builder that refuses is
// a mistake of the test.
func written(id crdt.ObjectID, pieces []crdt.Piece, err error) []crdt.Piece {
	if err != nil {
		panic(err)
	}
	for i := range pieces {
		pieces[i].Object = id
	}
	return pieces
}

func TestTakeoverLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: handover.TypeTakeover, Scope: crdt.Sales, Item: true,
		Write: func(_ *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 {
				return nil
			}
			pieces, err := handover.NewTakeover(handover.Takeover{Tab: crdt.ObjectID{1}, Till: crdt.TillID{2}, User: "Bela",
				Epoch: 1 + uint64(id[0]), How: handover.Forced, MS: 5})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			if len(obj.Items) == 0 {
				return nil
			}
			v, err := handover.ParseTakeover(load(obj.Items[0].Ref))
			return []any{v, err != nil}
		},
	})
}

func TestPaymentLocationLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: handover.TypePayment, Scope: crdt.Sales, Registers: []string{handover.RegisterLocation},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			pieces, err := handover.MovePayment(id, obj, crdt.ObjectID{byte(1 + r.IntN(3))})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, _ func(crdt.Ref) []byte) any {
			at, ok := handover.PaymentTab(obj)
			return []any{at, ok}
		},
	})
}
