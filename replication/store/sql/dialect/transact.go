package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

const (
	// Patience is how long one attempt at a transaction may take, waiting for a connection and for locks included.
	Patience = 30 * time.Second

	attempts   = 6
	firstPause = 5 * time.Millisecond // doubled each time
)

// Transact runs do in a transaction that writes, and commits it. A context that is done ends it only before it began and
// between attempts, so that its outcome is known; an attempt ends by itself after [Patience]. Where the engine asks for it (a
// conflict with another transaction) do runs again, 6 times at most: it must keep nothing of an attempt that failed.
//
// After nil the transaction is durable. After an error that wraps rows.ErrFailed it is unknown whether it is there. After
// every other error nothing was written; see [Dialect.Map].
func (d Dialect) Transact(ctx context.Context, db *sql.DB, do func(context.Context, *sql.Tx) error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := d.attempt(ctx, db, do)
		if err == nil || errors.Is(err, rows.ErrFailed) || attempt == attempts || !again(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause *= 2
	}
}

func (d Dialect) attempt(ctx context.Context, db *sql.DB, do func(context.Context, *sql.Tx) error) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", d.Map(err))
	}
	ended := false
	defer func() {
		if !ended { // do panicked: the connection must not go back with an open transaction
			_ = tx.Rollback()
		}
	}()
	err = do(ctx, tx)
	ended = true
	if err != nil {
		return d.undo(tx, d.Map(err))
	}
	if err := tx.Commit(); err != nil {
		if d.undone(err) {
			return fmt.Errorf("commit: %w", d.Map(err))
		}
		return fmt.Errorf("%w: %w", rows.ErrFailed, d.Map(err))
	}
	return nil
}

// undo rolls a transaction back that failed with err.
func (d Dialect) undo(tx *sql.Tx, err error) error {
	undo := tx.Rollback()
	switch {
	case undo == nil, errors.Is(undo, sql.ErrTxDone):
		return err
	case d == Postgres:
		return err // the connection broke, which undoes the transaction
	case strings.Contains(undo.Error(), "no transaction is active"):
		return err // SQLite undoes it by itself when the disk is full, and has no code of its own for saying so
	}
	return fmt.Errorf("%w: %w, and it could not be undone: %w", rows.ErrFailed, err, d.Map(undo))
}
