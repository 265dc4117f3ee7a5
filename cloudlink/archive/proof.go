package archive

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxProof is how many hashes a proof has at most: more than any tree of 2^63 leaves needs.
const MaxProof = 128

// ErrProof is wrapped by every error about a proof that does not prove what it should.
var ErrProof = errors.New("the archive's proof does not hold")

// CheckInclusion verifies that the leaf with the index is in the tree of a checkpoint. leaf is the encoded leaf. It returns [ErrProof].
func CheckInclusion(c Checkpoint, index int64, leaf []byte, proof []tlog.Hash) error {
	if len(proof) > MaxProof || index < 0 || index >= c.Size {
		return fmt.Errorf("%w: leaf %d of %d, %d hashes", ErrProof, index, c.Size, len(proof))
	}
	if err := tlog.CheckRecord(proof, c.Size, c.Root, index, tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("%w: leaf %d is not in the archive of %d leaves: %w", ErrProof, index, c.Size, err)
	}
	return nil
}

// CheckGrowth verifies that the tree of the older checkpoint is the beginning of that of the newer one. It returns [ErrProof].
func CheckGrowth(older, newer Checkpoint, proof []tlog.Hash) error {
	switch {
	case older.Account != newer.Account:
		return fmt.Errorf("%w: checkpoints of two accounts", ErrProof)
	case len(proof) > MaxProof || newer.Size < older.Size:
		return fmt.Errorf("%w: from %d to %d leaves, %d hashes", ErrProof, older.Size, newer.Size, len(proof))
	case older.Size == 0 && len(proof) == 0:
		return nil // every tree begins with the empty one
	case older.Size == newer.Size:
		if older.Root != newer.Root || len(proof) != 0 {
			return fmt.Errorf("%w: two archives of %d leaves", ErrProof, older.Size)
		}
		return nil
	}
	if err := tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("%w: the archive of %d leaves does not begin with the one of %d: %w", ErrProof, newer.Size, older.Size, err)
	}
	return nil
}
