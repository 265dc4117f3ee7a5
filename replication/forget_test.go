package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// A till that comes back with a new lineage may have lost what it was known to hold: copies are not counted on it.
func TestANewLineageHoldsNothingUntilItSaysSo(t *testing.T) {
	other, now := crdt.TillID{2}, time.Unix(1_800_000_000, 0)
	c := NewCore(Config{Shop: crdt.ShopID{1}, Till: crdt.TillID{1}, Replica: crdt.ReplicaID{1}, Boot: 1, Nonce: [16]byte{1}})
	d := crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, 1)}
	hello := func(replica, nonce byte) {
		link := c.LinkUp(now, other)
		require.NoError(t, c.Receive(now, link, &wire.Hello{Oldest: 1, Newest: 1, Shop: crdt.ShopID{1}, Till: other,
			Replica: crdt.ReplicaID{replica}, Boot: 1, Nonce: [16]byte{nonce}}))
		c.LinkDown(now, link)
	}
	hello(2, 7)
	c.heldBy(other, crdt.Sales).Add(d.Replica, crdt.Interval{After: d.Seq - 1, To: d.Seq})
	hello(2, 8)
	require.Equal(t, []crdt.TillID{other}, c.Holders(crdt.Sales, d), "a restart loses nothing")
	hello(3, 9)
	require.Empty(t, c.Holders(crdt.Sales, d))
}
