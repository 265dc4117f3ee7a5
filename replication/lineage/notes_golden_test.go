package lineage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/lineage"
)

// What one start leaves for the next one is a text under a key that says the rest.
func TestNotesForTheNextStartArePinned(t *testing.T) {
	n := lineage.Reported(crdt.ReplicaID{1, 2}, lineage.New(lineage.StoreDamaged, "%s", "000002.sst: block 3"))
	golden(t, "reported", append([]byte(n.Key+"\n"), n.Value...))
	n = lineage.Yielded("another machine goes on as this till")
	golden(t, "yielded", append([]byte(n.Key+"\n"), n.Value...))
	require.Equal(t, "lineage/yielded", n.Key)
}
