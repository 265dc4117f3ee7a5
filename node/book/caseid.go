package book

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// CaseDoubleRefund is the case that more of a receipt was taken back than it sold: tills did it while they were apart. The
// first of its receipts is the one that sold, the others took back from it, the ones that stay first.
const CaseDoubleRefund CaseKind = "double-refund"

// ID names the case. It is the same on every till, and stays so as long as the case is about the same things.
func (c Case) ID() crdt.ObjectID {
	if c.Kind == CaseUnknown { // whatever tab it is moved to
		c.Tab = crdt.ObjectID{}
	}
	parts := [][]byte{[]byte(c.Kind), c.Tab[:], c.Target[:]}
	add := func(ids []crdt.ObjectID) {
		ids = slices.SortedFunc(slices.Values(ids), crdt.ObjectID.Compare)
		for i := range ids {
			parts = append(parts, ids[i][:])
		}
	}
	add(c.Objects)
	if c.Kind == CaseDouble || c.Kind == CaseDoubleRefund { // another receipt is another thing to decide
		add(c.Receipts)
	}
	return crdt.DeriveObjectID("case", parts...)
}
