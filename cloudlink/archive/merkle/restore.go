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

// Restored writes down that the log of an account was restored from a backup: a signed statement, as the leaf behind those that the backup held. It has
// to be called before anything else is appended. made is when the backup was made.
func (l *Logs) Restored(ctx context.Context, account archive.AccountID, made, now time.Time, signer note.Signer) (r archive.Restore, err error) {
	c, err := l.Checkpoint(ctx, account, now, signer)
	if err != nil {
		return r, err
	}
	if c.Size == 0 {
		return r, nil // there was nothing, and nothing is another history of it
	}
	last, err := l.At(ctx, account, c.Size-1)
	if err != nil {
		return r, err
	}
	about, err := archive.ParseLeaf(last.Leaf)
	if err != nil {
		return r, fmt.Errorf("leaf %d: %w", last.Index, err)
	}
	r = archive.Restore{Account: account, Size: c.Size, Root: c.Root, Time: max(now.UnixMilli(), c.Time), Made: made.UnixMilli()}
	msg, err := archive.SignRestore(r, signer)
	if err != nil {
		return r, err
	}
	entry, err := r.Entry(msg, about, now.UTC().Format(time.DateOnly))
	if err != nil {
		return r, err
	}
	err = l.db.Tx(ctx, func(tx *database.Tx) error {
		done, err := l.Append(ctx, tx, account, []archive.Entry{entry}, now)
		if err == nil && (done.New != 1 || done.First != c.Size) {
			err = errors.New("something was appended since the backup was restored: a server runs already")
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO archive_restores (account, size, restored_at, note) VALUES (?, ?, ?, ?)`, account[:], r.Size, r.Time, msg)
		return err
	})
	if err == nil {
		_, err = l.Checkpoint(ctx, account, now, signer)
	}
	if err != nil {
		return r, fmt.Errorf("write down that the archive of %s was restored: %w", account, err)
	}
	return r, nil
}

// Excuse returns the statement of the restore that took away what a till remembers: of those since that checkpoint was signed the one that went back the
// furthest. [ErrNotFound]: there is none.
func (l *Logs) Excuse(ctx context.Context, account archive.AccountID, size, since int64, verifier note.Verifier) (e archive.Excuse, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		var at int64
		err := tx.QueryRow(ctx, `SELECT size, note FROM archive_restores WHERE account = ? AND size <= ? AND restored_at >= ? ORDER BY size, restored_at LIMIT 1`,
			account[:], size, since).Scan(&at, &e.Note)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: nothing was restored", ErrNotFound)
		}
		if err != nil {
			return err
		}
		last, err := latest(ctx, tx, account, verifier)
		if err != nil {
			return err
		}
		e.Checkpoint = last.Note
		if last.Size <= at {
			return fmt.Errorf("%w: the statement is not signed yet", ErrNotFound)
		}
		if err := tx.QueryRow(ctx, `SELECT leaf FROM archive_leaves WHERE account = ? AND leaf_index = ?`, account[:], at).Scan(&e.Leaf); err != nil {
			return err
		}
		hashes := hashReader(ctx, tx, account)
		if e.Growth, err = growth(at, last.Size, hashes); err != nil {
			return err
		}
		e.Inclusion, err = tlog.ProveRecord(last.Size, at, hashes)
		return err
	})
	if err != nil {
		return archive.Excuse{}, fmt.Errorf("statement of a restore of the archive of %s: %w", account, err)
	}
	return e, nil
}
