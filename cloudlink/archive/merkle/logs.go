package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// Logs are the logs of all accounts of a database.
type Logs struct{ db *database.DB }

// New returns the logs of a database.
func New(db *database.DB) *Logs { return &Logs{db} }

// ErrRewritten means that the log in the database does not continue what was signed before: somebody changed it, or it was
// restored from an older backup. Nothing is signed then.
var ErrRewritten = errors.New("the archive in the database is not the one that was signed before; keep it as it is and find out who changed it")

// ErrNotFound means that there is no such leaf, hold or checkpoint.
var ErrNotFound = errors.New("the archive has no such record")

// Size returns how many leaves the log of an account has, and of how many the hashes are computed.
func (l *Logs) Size(ctx context.Context, account archive.AccountID) (size, hashed int64, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		if size, err = one(tx.QueryRow(ctx, `SELECT size FROM archive_logs WHERE account = ?`, account[:])); err != nil {
			return err
		}
		hashed, err = one(tx.QueryRow(ctx, `SELECT hashed FROM archive_trees WHERE account = ?`, account[:]))
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("size of the archive of %s: %w", account, err)
	}
	return size, hashed, nil
}

// Accounts lists the accounts that have a log, in the order of their IDs, from after on: those whose logs have to be hashed and signed.
func (l *Logs) Accounts(ctx context.Context, after archive.AccountID, limit int) (ids []archive.AccountID, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		found, err := tx.Query(ctx, `SELECT account FROM archive_logs WHERE account > ? ORDER BY account LIMIT ?`, after[:], limit)
		return each(found, err, func(r *sql.Rows) error {
			var raw []byte
			var id archive.AccountID
			if err := r.Scan(&raw); err != nil {
				return err
			}
			copy(id[:], raw)
			ids = append(ids, id)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the accounts of the archive: %w", err)
	}
	return ids, nil
}

// one reads a number; 0 if there is no row.
func one(row *sql.Row) (n int64, err error) {
	if err := row.Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return n, nil
}

// each reads all rows and closes them.
func each(found *sql.Rows, err error, read func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	for found.Next() {
		if err := read(found); err != nil {
			return errors.Join(err, found.Close())
		}
	}
	return errors.Join(found.Err(), found.Close())
}

// lock takes the lock of a row of an account until the transaction ends, making the row if there is none.
func lock(ctx context.Context, tx *database.Tx, insert, read string, account archive.AccountID, into ...any) error {
	query := read + tx.Dialect().ForUpdate()
	err := tx.QueryRow(ctx, query, account[:]).Scan(into...)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if _, err := tx.Exec(ctx, insert+` ON CONFLICT (account) DO NOTHING`, account[:]); err != nil {
		return err
	}
	return tx.QueryRow(ctx, query, account[:]).Scan(into...)
}
