package badger

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

var errTable = fmt.Errorf("%w: a table cannot be read: rebuild the store from peers or a backup", rows.ErrCorrupt)

// engineError is an error of Badger without what it tells about the data: its texts can hold keys and
// dumps of values behind the first line, and keys in quotes.
type engineError struct{ err error }

func (e engineError) Error() string { return plain(e.err.Error()) }
func (e engineError) Unwrap() error { return e.err }

const maxText = 200

// plain cuts a text of Badger before the data it may hold.
func plain(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "key: ")
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "?")
}

// mapError turns an error of Badger into one of the port.
func mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrDBClosed), errors.Is(err, badger.ErrBlockedWrites):
		return fmt.Errorf("%w: %w", rows.ErrClosed, engineError{err})
	case errors.Is(err, badger.ErrTxnTooBig):
		return fmt.Errorf("%w: %w", rows.ErrTooLarge, engineError{err})
	case errors.Is(err, syscall.ENOSPC):
		return datadir.MapFull(engineError{err})
	case errors.Is(err, badger.ErrTruncateNeeded), strings.Contains(err.Error(), "checksum"):
		return fmt.Errorf("%w: rebuild it from peers or a backup: %w", rows.ErrCorrupt, engineError{err})
	}
	return engineError{err}
}

// mapOpenError turns an error of badger.Open into one of the port.
func mapOpenError(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Cannot acquire directory lock"):
		return fmt.Errorf("%w by another program: stop that one or use another directory: %w",
			rows.ErrInUse, engineError{err})
	case errors.Is(err, badger.ErrEncryptionKeyMismatch), strings.Contains(text, "manifest has"),
		strings.Contains(text, "MANIFEST"), strings.Contains(text, "file does not exist"),
		strings.Contains(text, "failed to initialize"): // the index or the last key of a table, which the engine reads from its bytes
		return fmt.Errorf("%w: rebuild it from peers or a backup: %w", rows.ErrCorrupt, engineError{err})
	}
	return mapError(err)
}
