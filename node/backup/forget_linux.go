package backup

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// forget drops what memory holds of a synced file, so that reading it back asks the disk.
func forget(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = nil // a file system without a cache to drop
	}
	return errors.Join(err, f.Close())
}
