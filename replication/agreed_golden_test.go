package replication_test

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// The key of the note is that of its scope: on the first line of the file, the value as hex on the second.
func TestAgreedNoteKeepsItsKey(t *testing.T) {
	raw, err := os.ReadFile("testdata/v1/notes/agreed.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, lines, 2)
	key, err := strconv.Unquote(lines[0])
	require.NoError(t, err)
	require.Equal(t, replication.AgreedNote(crdt.Sales), key)
	require.True(t, strings.HasPrefix(key, replication.AgreedPrefix))
	value, err := hex.DecodeString(lines[1])
	require.NoError(t, err)
	require.Equal(t, replication.AppendAgreed(nil, crdt.ReplicaID{1, 2, 3}, 300), value)
	replica, seq, err := replication.ReadAgreed(value)
	require.NoError(t, err)
	require.Equal(t, crdt.ReplicaID{1, 2, 3}, replica)
	require.Equal(t, crdt.Seq(300), seq)
}
