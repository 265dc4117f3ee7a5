//go:build linux

package nodetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SmallDisk mounts a file system of its own, made in a file, and unmounts it when the test ends. ok is false, and says
// why in the log, if that is not possible here; with [EnvRequire] the test fails then.
func SmallDisk(t testing.TB, megabytes int64) (mount string, ok bool) {
	t.Helper()
	lacks := func(what string) (string, bool) {
		if os.Getenv(EnvRequire) == "1" {
			t.Fatalf("%s=1, but %s", EnvRequire, what)
		}
		t.Log("not tested here: " + what)
		return "", false
	}
	if os.Geteuid() != 0 {
		return lacks("mounting a small disk needs root")
	}
	dir, err := os.MkdirTemp("", "smalldisk-")
	require.NoError(t, err)
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	t.Cleanup(func() { require.NoError(t, errors.Join(os.Remove(image), os.Remove(mount), os.Remove(dir))) })
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, megabytes<<20))
	require.NoError(t, os.Mkdir(mount, 0o700))
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", image).CombinedOutput(); err != nil {
		return lacks(fmt.Sprintf("no file system could be made: %v: %s", err, out))
	}
	if out, err := exec.Command("mount", "-o", "loop", image, mount).CombinedOutput(); err != nil {
		return lacks(fmt.Sprintf("no loop device could be mounted: %v: %s", err, out))
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", mount).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return mount, true
}

// FillDisk writes a file until so many megabytes are left on its disk. It returns what makes room again.
func FillDisk(t testing.TB, dir string, leave int64) (free func()) {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("other-%d", leave))
	zero, err := os.Open("/dev/zero")
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	var s syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &s))
	if size := int64(s.Bavail)*s.Bsize - leave<<20; size > 0 {
		_, err = io.CopyN(f, zero, size)
		require.True(t, err == nil || errors.Is(err, syscall.ENOSPC), "%v", err)
	}
	if err := f.Sync(); err != nil {
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.NoError(t, errors.Join(f.Close(), zero.Close()))
	return func() { require.NoError(t, os.Remove(path)) }
}
