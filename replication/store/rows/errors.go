package rows

import "errors"

// The errors of the port. Adapters wrap them and add what happened and what to do; ask with errors.Is.
// No text holds keys or values.
var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")

	// ErrTooLarge: the batch is larger than MaxBatch; nothing was written. Split it.
	ErrTooLarge = errors.New("batch is too large for one commit")

	// ErrBadKey: a key is empty, too long or reserved: a fault of the caller; nothing was written.
	ErrBadKey = errors.New("key is not allowed")

	// ErrNewerFormat: a newer program wrote this store; it was left as it is. Update the program.
	ErrNewerFormat = errors.New("store was written by a newer version")

	// ErrInUse: the directory is open already, in another process or in this one.
	ErrInUse = errors.New("store is in use")

	// ErrCorrupt: the engine found its files damaged, or not what belongs there. Rebuild from peers or a backup.
	ErrCorrupt = errors.New("store is damaged")

	// ErrFull: the disk is full; nothing was written, unless ErrFailed is wrapped too. Make room and try again.
	ErrFull = errors.New("disk is full")

	// ErrUnreachable: the database behind the store cannot be reached; nothing was written, unless ErrFailed is wrapped
	// too. Try again later.
	ErrUnreachable = errors.New("database cannot be reached")

	// ErrFenced: another server took the store over; nothing was written. The store refuses everything from then on:
	// close it, and ask the other server.
	ErrFenced = errors.New("store was taken over by another server")

	// ErrFailed: a write failed in a way that leaves its outcome unknown. The store refuses
	// everything from then on: close it, open it again and look.
	ErrFailed = errors.New("store failed and must be opened again")
)

// Failure is for adapters: it returns what every later call of the store has to return after a
// commit ended with err: nil if err leaves the outcome known and the store ours.
func Failure(err error) error {
	if errors.Is(err, ErrFailed) || errors.Is(err, ErrFenced) {
		return err
	}
	return nil
}
