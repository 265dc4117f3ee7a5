package backup

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/tillmesh/tillmesh/replication/store/blockfile"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Errors of this package. All are wrapped with what happened and where.
var (
	// ErrDamaged: the file is not what was written; the error says at which byte. Use another backup.
	ErrDamaged = blockfile.ErrDamaged
	// ErrCut: the file ends too early; it also wraps [ErrDamaged].
	ErrCut = blockfile.ErrCut
	// ErrNoBackup: the file is something else.
	ErrNoBackup = errors.New("this is no backup of a till")
	// ErrNewer: a newer program wrote the file. Update the program.
	ErrNewer = blockfile.ErrNewer
	// ErrExists: there is a file of this name already. It was not touched.
	ErrExists = errors.New("there is a file of this name already: choose another name")
	// ErrBusy: so much was written that no state could be caught. Try again when the till is quieter.
	ErrBusy = errors.New("the till is too busy for a backup: try again in a moment")
	// ErrChanged: the file is another one than was verified.
	ErrChanged = errors.New("the backup file changed while it was read: start again")
	// ErrNotEmpty: a backup is loaded only into a store that holds nothing.
	ErrNotEmpty = errors.New("the store to restore into is not empty")
	// ErrIncomplete: what was loaded does not give the state that the backup says it is.
	ErrIncomplete = errors.New("the backup does not give the state it was made of: use another backup")
)

// mapSpace marks errors of a disk that can take no more as rows.ErrFull.
func mapSpace(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: there is no room for the backup %s: make room or choose another disk; nothing was left there: %w",
			rows.ErrFull, path, err)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: the disk of %s takes no file of this size (older formats end at 4 GiB): choose another disk; nothing was left there: %w",
			rows.ErrFull, path, err)
	}
	return err
}
