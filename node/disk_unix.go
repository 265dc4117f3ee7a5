//go:build unix

package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes returns how much room the file system of a directory has for this user.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}
