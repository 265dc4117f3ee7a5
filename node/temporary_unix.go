//go:build unix

package node

import (
	"errors"
	"syscall"
)

// temporary reports whether the system lacks something for a moment, whatever the files are like.
func temporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EROFS, syscall.EDQUOT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
