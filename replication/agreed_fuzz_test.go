package replication_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// The note keeps its bytes: an array of two, the replica and the number.
func TestAgreedNoteGolden(t *testing.T) {
	b := replication.AppendAgreed(nil, crdt.ReplicaID{1, 2, 3}, 300)
	require.Equal(t, "92c41001020300000000000000000000000000cd012c", hex.EncodeToString(b))
}

// FuzzAgreed reads any bytes as a note about what is held elsewhere.
func FuzzAgreed(f *testing.F) {
	f.Add(replication.AppendAgreed(nil, crdt.ReplicaID{1}, 300))
	f.Add([]byte{0x93, 0xc4, 16})
	f.Fuzz(func(t *testing.T, b []byte) {
		replica, seq, err := replication.ReadAgreed(b)
		if err != nil {
			return
		}
		again, same, err := replication.ReadAgreed(replication.AppendAgreed(nil, replica, seq))
		require.NoError(t, err)
		require.True(t, replica == again && seq == same)
	})
}
