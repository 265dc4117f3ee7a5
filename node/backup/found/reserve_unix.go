//go:build unix

package found

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// reserve keeps a till from starting on the files while they are read. The lock file of a store is only opened for
// reading; where there is none, or none can be locked, there is nothing to keep.
func reserve(dir string) (func() error, error) {
	f, err := os.Open(filepath.Join(dir, "store.lock"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(ErrInUse, f.Close())
	}
	return f.Close, nil
}
