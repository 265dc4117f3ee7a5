package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
)

var saidAt = time.UnixMilli(1795219200000)

func saidStatus() cloudlink.Status {
	return cloudlink.Status{
		State: cloudlink.Stuck, Cause: cloudlink.ServerDown, Text: "der Server ist aus", Since: saidAt.Add(-time.Hour), Complete: saidAt.Add(-2 * time.Hour),
		Next: saidAt.Add(time.Minute), Progress: cloudlink.Progress{Classes: []lease.Class{{Name: "receipts", Pending: 3}}},
	}
}

func TestWhatATillSaysOfTheCloudIsRead(t *testing.T) {
	later := saidAt.Add(time.Second)
	got, err := decodeCloudSaid(encodeCloudSaid(saidStatus(), saidAt), later)
	require.NoError(t, err)
	require.Equal(t, CloudSaid{
		State: cloudlink.Stuck, Cause: cloudlink.ServerDown, Text: "der Server ist aus", Since: later.Add(-time.Hour), Complete: later.Add(-2 * time.Hour),
		Next: later.Add(time.Minute), Pending: 3,
	}, got, "ages travel, so that clocks may differ")
	long := saidStatus()
	long.Text = ""
	for range 1000 {
		long.Text += "ä"
	}
	got, err = decodeCloudSaid(encodeCloudSaid(long, saidAt), later)
	require.NoError(t, err)
	require.NotEmpty(t, got.Text)
	require.LessOrEqual(t, len(got.Text), cloudSaidMost)
}

func FuzzCloudSaid(f *testing.F) {
	f.Add(encodeCloudSaid(saidStatus(), saidAt))
	f.Add(encodeCloudSaid(cloudlink.Status{}, saidAt))
	f.Add([]byte{0x98, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeCloudSaid(b, saidAt)
		if err == nil {
			require.LessOrEqual(t, len(s.Text), cloudSaidMost)
			require.False(t, s.Since.After(saidAt))
		}
	})
}
