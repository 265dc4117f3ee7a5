package highwater

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the content durable. The size never changes between syncs, so the file's times need not be.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
