package blockfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// Errors of this package. All are wrapped with what happened and where.
var (
	// ErrDamaged: the file is not what was written; the error says at which byte. Use another backup.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrCut: the file ends too early; it also wraps [ErrDamaged].
	ErrCut = fmt.Errorf("%w: its end is missing", ErrDamaged)
	// ErrNewer: a newer program wrote the file. Update the program.
	ErrNewer = errors.New("the backup was written by a newer version: update the program")
)

const (
	magicLen = 8
	prologue = magicLen + 4 // version and a zero, 2 bytes each
	head     = 16           // of a block
	margin   = 64 << 10     // by which what is stored may be longer than what it unpacks to
)

// Format is a kind of file.
type Format struct {
	Magic    string          // its first 8 bytes
	Version  uint16          // that this program writes; it reads no other
	Domain   string          // goes before whatever is hashed
	Kinds    map[byte]string // of blocks, with their names for errors
	MaxPlain int             // bytes of a block before it is packed
	Foreign  error           // says that a file is none of this kind
}

// chain returns the hash of a block: over the one before it, its head and its stored bytes.
func (f *Format) chain(previous [32]byte, head, stored []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(f.Domain))
	h.Write(previous[:])
	h.Write(head)
	h.Write(stored)
	return [32]byte(h.Sum(nil))
}
