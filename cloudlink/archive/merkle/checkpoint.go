package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// Signed is a checkpoint with its signed note.
type Signed struct {
	archive.Checkpoint
	Note []byte
}

// Checkpoint hashes all leaves that are new and signs the tree, unless that very tree was signed before: then it returns that one. It
// signs nothing that does not begin with the latest tree that was signed, and returns [ErrRewritten].
func (l *Logs) Checkpoint(ctx context.Context, account archive.AccountID, now time.Time, signer note.Signer) (Signed, error) {
	verifier, ok := signer.(note.Verifier)
	if !ok {
		return Signed{}, fmt.Errorf("%w: the signer cannot verify", archive.ErrCheckpoint)
	}
	for more := true; more; {
		var err error
		if more, err = l.Extend(ctx, account); err != nil {
			return Signed{}, err
		}
		if err := ctx.Err(); err != nil {
			return Signed{}, err
		}
	}
	var out Signed
	err := l.db.Tx(ctx, func(tx *database.Tx) (err error) {
		out, err = checkpoint(ctx, tx, account, now, signer, verifier)
		return err
	})
	if err != nil {
		return Signed{}, fmt.Errorf("sign a checkpoint of the archive of %s: %w", account, err)
	}
	return out, nil
}

func checkpoint(ctx context.Context, tx *database.Tx, account archive.AccountID, now time.Time, signer note.Signer, verifier note.Verifier) (Signed, error) {
	// The lock keeps two servers from signing the same size twice.
	c := archive.Checkpoint{Account: account, Time: now.UnixMilli()}
	if err := lock(ctx, tx, `INSERT INTO archive_trees (account, hashed, reviewed) VALUES (?, 0, 0)`,
		`SELECT hashed FROM archive_trees WHERE account = ?`, account, &c.Size); err != nil {
		return Signed{}, err
	}
	hashes := hashReader(ctx, tx, account)
	root, err := treeHash(c.Size, hashes)
	if err != nil {
		return Signed{}, err
	}
	c.Root = root
	last, err := latest(ctx, tx, account, verifier)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return Signed{}, err
	default:
		if err := continues(last.Checkpoint, c, hashes); err != nil {
			return Signed{}, err
		}
		if last.Size == c.Size {
			return last, nil
		}
		c.Time = max(c.Time, last.Time) // a clock that was set back makes no checkpoint older than the one before it
	}
	msg, err := archive.SignCheckpoint(c, signer)
	if err != nil {
		return Signed{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO archive_checkpoints (account, size, made_at, note) VALUES (?, ?, ?, ?)`, account[:], c.Size, c.Time, msg)
	return Signed{c, msg}, err
}

// continues verifies that the tree of a checkpoint begins with that of an older one.
func continues(older, newer archive.Checkpoint, hashes tlog.HashReader) error {
	proof, err := growth(older.Size, newer.Size, hashes)
	if err != nil {
		return err
	}
	if err := archive.CheckGrowth(older, newer, proof); err != nil {
		return fmt.Errorf("%w: %w", ErrRewritten, err)
	}
	return nil
}

// treeHash is tlog.TreeHash; the empty tree has a hash, too.
func treeHash(size int64, hashes tlog.HashReader) (tlog.Hash, error) {
	if size == 0 {
		return archive.EmptyRoot(), nil
	}
	return tlog.TreeHash(size, hashes)
}

// growth proves that a tree begins with a smaller one; of equal and empty ones there is nothing to prove.
func growth(older, newer int64, hashes tlog.HashReader) ([]tlog.Hash, error) {
	if older == 0 || older >= newer {
		return nil, nil
	}
	return tlog.ProveTree(newer, older, hashes)
}

func latest(ctx context.Context, tx *database.Tx, account archive.AccountID, verifier note.Verifier) (Signed, error) {
	var msg []byte
	err := tx.QueryRow(ctx, `SELECT note FROM archive_checkpoints WHERE account = ? ORDER BY size DESC LIMIT 1`, account[:]).Scan(&msg)
	if errors.Is(err, sql.ErrNoRows) {
		return Signed{}, fmt.Errorf("%w: no checkpoint yet", ErrNotFound)
	}
	if err != nil {
		return Signed{}, err
	}
	c, err := archive.OpenCheckpoint(msg, account, verifier)
	if err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrRewritten, err)
	}
	return Signed{c, msg}, nil
}

// Latest returns the latest checkpoint that was signed, or [ErrNotFound].
func (l *Logs) Latest(ctx context.Context, account archive.AccountID, verifier note.Verifier) (out Signed, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		out, err = latest(ctx, tx, account, verifier)
		return err
	})
	if err != nil {
		return Signed{}, fmt.Errorf("latest checkpoint of the archive of %s: %w", account, err)
	}
	return out, nil
}

// Offer returns what a till is shown at a contact: the latest checkpoint with the proof that leads there from the tree of known leaves that
// it remembers, 0 if none. It signs and verifies nothing: whether the proof holds is for the till to say. [ErrNotFound]: nothing was signed
// yet.
func (l *Logs) Offer(ctx context.Context, account archive.AccountID, known int64, verifier note.Verifier) (o archive.Offer, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		last, err := latest(ctx, tx, account, verifier)
		if err != nil {
			return err
		}
		o.Note = last.Note
		hashed, err := one(tx.QueryRow(ctx, `SELECT hashed FROM archive_trees WHERE account = ?`, account[:]))
		if err != nil {
			return err
		}
		older, newer := min(known, last.Size), max(known, last.Size)
		if older < 0 || newer > hashed {
			return nil // the till knows more than there is, and will say so
		}
		o.Proof, err = growth(older, newer, hashReader(ctx, tx, account))
		return err
	})
	if err != nil {
		return archive.Offer{}, fmt.Errorf("offer the archive of %s: %w", account, err)
	}
	return o, nil
}

// Prove returns the proof that a leaf is in the tree of so many leaves, which must have been hashed, with the encoded leaf.
func (l *Logs) Prove(ctx context.Context, account archive.AccountID, index, size int64) (leaf []byte, proof []tlog.Hash, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		hashed, err := one(tx.QueryRow(ctx, `SELECT hashed FROM archive_trees WHERE account = ?`, account[:]))
		if err != nil {
			return err
		}
		if index < 0 || index >= size || size > hashed {
			return fmt.Errorf("%w: leaf %d in a tree of %d, and %d are hashed", ErrNotFound, index, size, hashed)
		}
		err = tx.QueryRow(ctx, `SELECT leaf FROM archive_leaves WHERE account = ? AND leaf_index = ?`, account[:], index).Scan(&leaf)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: leaf %d", ErrNotFound, index)
		}
		if err != nil {
			return err
		}
		proof, err = tlog.ProveRecord(size, index, hashReader(ctx, tx, account))
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("prove leaf %d of the archive of %s: %w", index, account, err)
	}
	return leaf, proof, nil
}

// Subtrees returns the hashes of subtrees that were hashed.
func (l *Logs) Subtrees(ctx context.Context, account archive.AccountID, subtrees []archive.Subtree) (hashes []tlog.Hash, err error) {
	indexes := make([]int64, len(subtrees))
	for i, s := range subtrees {
		indexes[i] = s.StoredIndex()
	}
	err = l.db.View(ctx, func(tx *database.Tx) error {
		hashes, err = hashReader(ctx, tx, account).ReadHashes(indexes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read hashes of the archive of %s: %w", account, err)
	}
	return hashes, nil
}

// Daily returns the notes of the checkpoints up to a size: the last one of each day (UTC), and the one of that size, in the order of their sizes.
func (l *Logs) Daily(ctx context.Context, account archive.AccountID, size int64) (notes [][]byte, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		notes = nil
		found, err := tx.Query(ctx, `SELECT note FROM archive_checkpoints WHERE account = ? AND size IN (
			SELECT max(size) FROM archive_checkpoints WHERE account = ? AND size <= ? GROUP BY made_at / 86400000) ORDER BY size`, account[:], account[:], size)
		return each(found, err, func(r *sql.Rows) error {
			var msg []byte
			if err := r.Scan(&msg); err != nil {
				return err
			}
			notes = append(notes, msg)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints of the archive of %s: %w", account, err)
	}
	return notes, nil
}
