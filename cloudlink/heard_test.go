package cloudlink_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestHeard(t *testing.T) {
	list := []cloudlink.Heard{{Till: crdt.TillID{1}}, {Till: crdt.TillID{2}, Ago: 90 * time.Second}}
	raw := cloudlink.EncodeHeard(list)
	rest := hex.EncodeToString(make([]byte, 31))
	require.Equal(t, "92019292c42001"+rest+"0092c42002"+rest+"ce00015f90", hex.EncodeToString(raw))
	got, err := cloudlink.DecodeHeard(raw)
	require.NoError(t, err)
	require.Equal(t, list, got)
	for n := range raw {
		_, err := cloudlink.DecodeHeard(raw[:n])
		require.Error(t, err)
	}
}

func FuzzHeard(f *testing.F) {
	f.Add(cloudlink.EncodeHeard([]cloudlink.Heard{{Till: crdt.TillID{1}, Ago: time.Minute}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := cloudlink.DecodeHeard(b); err == nil {
			again, err := cloudlink.DecodeHeard(cloudlink.EncodeHeard(list))
			require.NoError(t, err)
			require.Equal(t, list, again)
		}
	})
}
