//go:build linux || darwin || freebsd

package disk

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	if int64(s.Bavail) < 0 {
		return 0, nil // some systems count what is reserved for the administrator below zero
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

func occupied(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Blocks) * 512
	}
	return uint64(info.Size())
}

func isQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }
func isGone(err error) bool  { return errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESTALE) }
