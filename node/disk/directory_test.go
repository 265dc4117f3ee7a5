package disk_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/disk"
)

func TestBallastOnARealFileSystem(t *testing.T) {
	d := disk.Directory{Path: t.TempDir()}
	const want = 9*mb + 5
	for range 4 {
		require.NoError(t, d.GrowBallast(want))
	}
	got, err := d.Ballast()
	require.NoError(t, err)
	require.GreaterOrEqual(t, got, uint64(want), "no holes")
	info, err := os.Stat(filepath.Join(d.Path, "ballast"))
	require.NoError(t, err)
	require.EqualValues(t, want, info.Size())
	require.NoError(t, d.DropBallast())
	require.NoError(t, d.DropBallast())
	got, err = d.Ballast()
	require.NoError(t, err)
	require.Zero(t, got)
	require.NoError(t, d.Probe())
	left, err := os.ReadDir(d.Path)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDirectoryThatIsGone(t *testing.T) {
	d := disk.Directory{Path: filepath.Join(t.TempDir(), "missing")}
	err := d.Probe()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, disk.Failing, disk.Fault(err))
	_, err = d.Free()
	require.Error(t, err)
	require.Equal(t, disk.Failing, disk.Fault(err))
	require.Error(t, d.GrowBallast(1))
}
