package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// A till that is started again in the middle of the first transfer goes on counting where it was, also before the cloud says what it holds.
func TestTheFirstTransferGoesOnAfterAStart(t *testing.T) {
	data := found(t)
	k := run(t, data)
	var half map[crdt.Scope]crdt.Context // what the cloud lacks: all articles but the first three taxes
	for i := range byte(6) {
		require.NoError(t, k.EditTax(t.Context(), crdt.ObjectID{i + 1}, catalog.TaxEdit{Names: &catalog.Names{Name: map[string]string{"de": "Satz"}},
			Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 700 + int64(i), FiscalKey: 1}}}))
		if i == 2 {
			half = k.Holds()
		}
	}
	cloud := crdt.TillID{77}
	lacks := func() map[crdt.Scope]crdt.Context {
		out := make(map[crdt.Scope]crdt.Context)
		for scope, mine := range k.Holds() {
			if missing := mine.Minus(half[scope]); len(missing) > 0 {
				out[scope] = missing
			}
		}
		return out
	}
	articles := func(p cloudlink.Progress) lease.Class {
		for _, c := range p.Classes {
			if c.Name == "articles" {
				return c
			}
		}
		return lease.Class{}
	}
	p, err := k.FirstTransfer(t.Context(), cloud, lacks)
	require.NoError(t, err)
	was := articles(p)
	require.EqualValues(t, 3, was.Pending)
	require.Positive(t, was.Done)

	k.stop()
	k = run(t, data)
	p, err = k.FirstTransfer(t.Context(), cloud, k.Holds) // nothing was heard of the cloud yet
	require.NoError(t, err)
	require.Equal(t, was, articles(p), "as it was")
	p, err = k.FirstTransfer(t.Context(), cloud, lacks)
	require.NoError(t, err)
	require.Equal(t, was, articles(p))
	p, err = k.FirstTransfer(t.Context(), cloud, func() map[crdt.Scope]crdt.Context { return nil })
	require.NoError(t, err)
	require.Equal(t, lease.Class{Name: "articles", Done: was.Total, Total: was.Total}, articles(p))
}

// Nobody is told that the cloud has everything because nothing was counted since the last sale.
func TestProgressIsNeverTooGood(t *testing.T) {
	k := run(t, found(t))
	p, err := k.ProgressAfter(t.Context(), crdt.TillID{77}, nil)
	require.NoError(t, err)
	require.Zero(t, p.Pending())
	p, err = k.ProgressAfter(t.Context(), crdt.TillID{77}, map[crdt.Scope]crdt.Context{crdt.Shop: k.Holds()[crdt.Shop]})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Pending())
}
