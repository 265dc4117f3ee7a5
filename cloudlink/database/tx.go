package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// Tx is a transaction. Its statements have the placeholder ? on every engine. It is not safe for concurrent use.
type Tx struct {
	tx      *sql.Tx
	dialect dialect.Dialect
}

// Tx runs do in a transaction that may write, and commits it. do runs again where the engine asks for it, a bounded
// number of times, so it must keep nothing of a call that failed. Once begun, the transaction does not look at ctx: it ends
// after dialect.Patience at the latest, so do asks the database and does nothing else that takes time.
//
// After nil it is durable. After an error that wraps rows.ErrFailed it is unknown whether it is there. After every other
// error, also one of do, nothing was written; it may wrap rows.ErrFull, rows.ErrUnreachable, rows.ErrInUse or rows.ErrCorrupt.
func (d *DB) Tx(ctx context.Context, do func(tx *Tx) error) error {
	return d.dialect.Transact(ctx, d.write, func(_ context.Context, tx *sql.Tx) error { return do(d.In(tx)) })
}

// View runs do in a transaction that only reads, all as of one moment. It ends with ctx.
func (d *DB) View(ctx context.Context, do func(tx *Tx) error) (err error) {
	o := sql.TxOptions{ReadOnly: true}
	if d.dialect == dialect.Postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := d.read.BeginTx(ctx, &o)
	if err != nil {
		return d.reading(ctx, fmt.Errorf("begin: %w", err))
	}
	defer func() {
		if end := tx.Rollback(); err == nil && end != nil && !errors.Is(end, sql.ErrTxDone) {
			err = d.reading(ctx, end)
		}
	}()
	if err := do(d.In(tx)); err != nil {
		return d.reading(ctx, err)
	}
	return nil
}

// reading maps the error of a read; the engine's word for a done context is replaced by the context's own.
func (d *DB) reading(ctx context.Context, err error) error {
	if done := ctx.Err(); done != nil {
		return done
	}
	return d.dialect.Map(err)
}

// In returns a running transaction of this database, such as the one handed to a hook, with placeholders that are rewritten.
func (d *DB) In(tx *sql.Tx) *Tx { return &Tx{tx, d.dialect} }

// Duplicate reports whether a row was refused because another one has the same key or unique value.
func (d *DB) Duplicate(err error) bool { return d.dialect.Duplicate(err) }

// Dialect tells the engine.
func (t *Tx) Dialect() dialect.Dialect { return t.dialect }

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, t.dialect.Rebind(statement), args...)
}

// Query runs a statement that answers rows. The caller closes them before the next statement.
func (t *Tx) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.dialect.Rebind(statement), args...)
}

// QueryRow runs a statement that answers at most one row.
func (t *Tx) QueryRow(ctx context.Context, statement string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.dialect.Rebind(statement), args...)
}
