package datadir

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY)
	if err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)); err != nil {
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			err = fmt.Errorf("%w by another process: stop that one or use another directory", rows.ErrInUse)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// SyncDir does nothing: Windows keeps names durable by itself and cannot sync a directory.
func SyncDir(string) error { return nil }
