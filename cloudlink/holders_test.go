package cloudlink_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestHolders(t *testing.T) {
	dots := []crdt.Dot{{Replica: crdt.ReplicaID{1}, Seq: 2}, {Replica: crdt.ReplicaID{3}, Seq: crdt.NewSeq(1, 4)}}
	question := cloudlink.EncodeHeld(dots)
	require.Equal(t, "9501c4100100000000000000000000000000000002c41003000000000000000000000000000000cf0000000100000004", hex.EncodeToString(question))
	got, err := cloudlink.DecodeHeld(question)
	require.NoError(t, err)
	require.Equal(t, dots, got)
	tills := []crdt.TillID{{1}, {2}}
	answer := cloudlink.EncodeHolders(tills)
	require.Equal(t, "9301c420", hex.EncodeToString(answer[:4]))
	back, err := cloudlink.DecodeHolders(answer)
	require.NoError(t, err)
	require.Equal(t, tills, back)
	_, err = cloudlink.DecodeHeld(cloudlink.EncodeHeld(make([]crdt.Dot, cloudlink.MaxHolderDots+1)))
	require.Error(t, err)
	_, err = cloudlink.DecodeHolders(cloudlink.EncodeHolders(make([]crdt.TillID, cloudlink.MaxHolderTills+1)))
	require.Error(t, err)
	_, err = cloudlink.DecodeHolders([]byte{0x91, 2})
	require.Error(t, err)
}

func FuzzHolders(f *testing.F) {
	f.Add(cloudlink.EncodeHeld([]crdt.Dot{{Replica: crdt.ReplicaID{1}, Seq: 2}}))
	f.Add(cloudlink.EncodeHolders([]crdt.TillID{{1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if dots, err := cloudlink.DecodeHeld(b); err == nil {
			again, err := cloudlink.DecodeHeld(cloudlink.EncodeHeld(dots))
			require.NoError(t, err)
			require.Equal(t, dots, again)
		}
		if tills, err := cloudlink.DecodeHolders(b); err == nil {
			again, err := cloudlink.DecodeHolders(cloudlink.EncodeHolders(tills))
			require.NoError(t, err)
			require.Equal(t, tills, again)
		}
	})
}
