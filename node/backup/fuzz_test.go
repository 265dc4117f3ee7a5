package backup

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

// FuzzBlocks gives the contents of blocks to a reader, in frames that hold, since checksums would end every other attempt at
// once. A block of the input is its kind, its length (2 bytes) and its contents.
func FuzzBlocks(f *testing.F) {
	file, err := os.ReadFile("../../testdata/backup/v1/small.backup")
	require.NoError(f, err)
	var seed []byte
	r, err := blockfile.NewReader(bytes.NewReader(file), format)
	require.NoError(f, err)
	defer r.Close()
	for kind := byte(0); kind != kindEnd; {
		var plain []byte
		kind, plain, err = r.Next()
		require.NoError(f, err)
		seed = append(binary.BigEndian.AppendUint16(append(seed, kind), uint16(len(plain))), plain...)
		f.Add(bytes.Clone(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var buf bytes.Buffer
		w, err := blockfile.NewWriter(&buf, format)
		require.NoError(t, err)
		for len(in) > 3 {
			n := min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3)
			require.NoError(t, w.Block(in[0], in[3:3+n]))
			in = in[3+n:]
		}
		require.NoError(t, w.Close())
		last := &walker{take: func([]*crdt.Commit, *replication.Claim) error { return nil }}
		_ = last.walk(t.Context(), &buf) // it may refuse, and must not break
	})
}
