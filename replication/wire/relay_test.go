package wire_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

const relayDir = "../../testdata/wire/relay/v1"

// goldenRelays are bodies as a till would write them.
func goldenRelays() map[string]wire.RelayBody {
	entries := crdt.Context{
		fill[crdt.ReplicaID](0x30): {{After: 0, To: crdt.NewSeq(goldenBoot, 3)}, {After: crdt.NewSeq(goldenBoot+1, 0), To: crdt.NewSeq(goldenBoot+1, 1)}},
		fill[crdt.ReplicaID](0x50): {{After: crdt.NewSeq(goldenBoot, 0), To: crdt.NewSeq(goldenBoot, 1)}},
	}
	return map[string]wire.RelayBody{
		"holds":  {Peer: fill[crdt.TillID](0x10), Replica: fill[crdt.ReplicaID](0x40), Scope: crdt.Sales, Entries: entries},
		"agreed": {Peer: fill[crdt.TillID](0x10), Scope: crdt.Shop, Agreed: true, Entries: entries},
	}
}

func TestRelayBodies(t *testing.T) {
	for name, want := range goldenRelays() {
		body := want.Append(nil)
		path := filepath.Join(relayDir, name+".hex")
		if *update {
			require.NoError(t, os.MkdirAll(relayDir, 0o755))
			require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(body)+"\n"), 0o644))
		}
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(file)), hex.EncodeToString(body), name)
		for _, b := range [][]byte{body, appended(body)} {
			got, ok, err := wire.DecodeRelay(b)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		for n := range body {
			_, _, err := wire.DecodeRelay(body[:n])
			require.ErrorIs(t, err, wire.ErrFrame, "cut at %d", n)
		}
		body[1] = 2
		_, ok, err := wire.DecodeRelay(body)
		require.NoError(t, err)
		require.False(t, ok, "of a newer program")
	}
	dir, err := os.ReadDir(relayDir)
	require.NoError(t, err)
	require.Len(t, dir, len(goldenRelays()))
}

// What is read can be written, and what was written is read as the same.
func FuzzRelayBody(f *testing.F) {
	for _, b := range goldenRelays() {
		f.Add(b.Append(nil))
	}
	f.Add([]byte{0x92, 2, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, ok, err := wire.DecodeRelay(body)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrFrame)
			return
		}
		if !ok {
			return
		}
		again, ok, err := wire.DecodeRelay(b.Append(nil))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, b, again)
	})
}
