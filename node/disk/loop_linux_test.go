package disk_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/node/disk"
)

// smallDisk mounts a file system of its own, made in a file, and unmounts it when the test ends.
func smallDisk(t *testing.T, megabytes int64) string {
	t.Helper()
	lacks := func(what string) {
		if os.Getenv("TILLMESH_REQUIRE") == "1" {
			t.Fatalf("TILLMESH_REQUIRE=1, but %s", what)
		}
		t.Skip(what)
	}
	if os.Geteuid() != 0 {
		lacks("mounting a small disk needs root")
	}
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, megabytes*mb))
	require.NoError(t, os.Mkdir(mount, 0o700))
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", image).CombinedOutput(); err != nil {
		lacks("no file system could be made: " + err.Error() + " " + string(out))
	}
	if out, err := exec.Command("mount", "-o", "loop", image, mount).CombinedOutput(); err != nil {
		lacks("no loop device could be mounted: " + err.Error() + " " + string(out))
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", mount).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return mount
}

// fillUp writes a file until the disk is full or it has size bytes.
func fillUp(t *testing.T, path string, size int64) {
	t.Helper()
	zero, err := os.Open("/dev/zero")
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	if _, err = io.CopyN(f, zero, size); err != nil {
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	_ = f.Sync()
	_ = f.Close()
	_ = zero.Close()
}

// A real disk is filled, refuses, keeps its promise, and recovers when there is room.
func TestSmallDisk(t *testing.T) {
	mount := smallDisk(t, 96)
	now := began
	var last disk.Report
	d := disk.Directory{Path: mount}
	k, err := disk.NewKeeper(disk.Config{
		Disk: d, Now: func() time.Time { return now },
		Limits:  disk.Limits{Warn: 40 * mb, NoNewTabs: 24 * mb, Close: 12 * mb, Ballast: 8 * mb},
		Changed: func(r disk.Report) { last = r }, Problem: func(err error) { t.Error(err) },
	})
	require.NoError(t, err)
	look := func() { // as Run does, without its waiting
		wait, _ := k.Next()
		now = now.Add(wait)
		k.Look(true)
	}
	for range 4 {
		look()
	}
	require.Equal(t, disk.Fine, k.Level(), "%s", k.Report().Sentence())
	require.GreaterOrEqual(t, k.Report().Ballast, uint64(8*mb))
	require.NoError(t, k.OpenTab())
	release, err := k.Reserve(mb)
	require.NoError(t, err)

	other := filepath.Join(mount, "other")
	fillUp(t, other, int64(k.Report().Free)-20*mb)
	look()
	require.Equal(t, disk.NoNewTabs, last.Level)
	require.ErrorIs(t, k.OpenTab(), disk.ErrNoRoom)
	require.NoError(t, k.Finish())

	fillUp(t, filepath.Join(mount, "more"), 1<<30) // to the last byte
	_, err = k.Reserve(mb)
	require.ErrorIs(t, err, disk.ErrNoRoom)
	require.True(t, k.MustClose())
	require.False(t, k.MayReopen())
	require.Zero(t, k.Report().Ballast)

	// The sale that had reserved can be written, and the store closed, out of the ballast.
	f, err := os.Create(filepath.Join(mount, "receipt"))
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 2*mb))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	release()

	// As a restart on the full disk: no store is opened.
	again, err := disk.NewKeeper(disk.Config{Disk: d, Limits: k.Report().Limits})
	require.NoError(t, err)
	require.False(t, again.MayReopen())

	require.NoError(t, os.Remove(other))
	for range 5 {
		look()
	}
	require.True(t, k.MayReopen(), "%s", k.Report().Sentence())
	require.NoError(t, k.OpenTab())
	require.GreaterOrEqual(t, k.Report().Ballast, uint64(8*mb), "made again")
}

func TestSmallDiskTurnsReadOnly(t *testing.T) {
	mount := smallDisk(t, 32)
	k, err := disk.NewKeeper(disk.Config{Disk: disk.Directory{Path: mount},
		Limits: disk.Limits{Warn: 4 * mb, NoNewTabs: 3 * mb, Close: 2 * mb}})
	require.NoError(t, err)
	require.Equal(t, disk.Fine, k.Level())
	remount := func(how string) {
		out, err := exec.Command("mount", "-o", "remount,"+how, mount).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	remount("ro")
	k.Look(true)
	require.Equal(t, disk.ReadOnly, k.Level())
	remount("rw")
	k.Look(true)
	k.Look(true)
	require.Equal(t, disk.Fine, k.Level())
}
