//go:build !unix

package node

import (
	"errors"
	"fmt"
)

// freeBytes is not known on this system.
func freeBytes(dir string) (uint64, error) {
	return 0, fmt.Errorf("free space of %s: %w", dir, errors.ErrUnsupported)
}
