package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// table is a table of rows, of one store or of the stores of many shops. What an engine does in its own way is here and
// in package dialect; args are the key of the shop, or nothing.
type table struct {
	dialect     dialect.Dialect
	write, read *sql.DB
	statements  statements

	// on write
	set, setMany, remove *sql.Stmt
	// on read
	get, scan, scanUntil *sql.Stmt
}

// prepare makes the statements that SQLite runs again and again. PostgreSQL's driver keeps its own for each connection.
func (t *table) prepare(ctx context.Context) (err error) {
	if t.dialect == dialect.Postgres {
		return nil
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		on   *sql.DB
		text string
	}{
		{&t.set, t.write, t.statements.set}, {&t.setMany, t.write, t.statements.setMany}, {&t.remove, t.write, t.statements.remove},
		{&t.get, t.read, t.statements.get}, {&t.scan, t.read, t.statements.scan}, {&t.scanUntil, t.read, t.statements.scanUntil},
	} {
		if *p.stmt, err = p.on.PrepareContext(ctx, p.text); err != nil {
			return fmt.Errorf("prepare a statement: %w", t.dialect.Map(err))
		}
	}
	return nil
}

// close closes the statements, not the pools.
func (t *table) close() error {
	var problems []error
	for _, stmt := range []*sql.Stmt{t.set, t.setMany, t.remove, t.get, t.scan, t.scanUntil} {
		if stmt != nil {
			problems = append(problems, stmt.Close())
		}
	}
	return errors.Join(problems...)
}

// apply writes a change within a transaction, if the seat is still held.
func (t *table) apply(ctx context.Context, tx *sql.Tx, args []any, held *seat, c change) error {
	if t.dialect == dialect.Postgres {
		return t.applyArrays(ctx, tx, args, held, c)
	}
	if err := held.check(ctx, tx); err != nil {
		return err
	}
	return t.applyEach(ctx, tx, args, c)
}

func (t *table) applyEach(ctx context.Context, tx *sql.Tx, args []any, c change) error {
	keys, values := c.keys, c.values
	if len(keys) >= manyRows {
		many := tx.StmtContext(ctx, t.setMany)
		for len(keys) >= manyRows {
			list := make([]any, 0, manyRows*(len(args)+2))
			for i := range manyRows {
				list = append(append(list, args...), keys[i], values[i])
			}
			if _, err := many.ExecContext(ctx, list...); err != nil {
				return err
			}
			keys, values = keys[manyRows:], values[manyRows:]
		}
	}
	if len(keys) > 0 {
		set := tx.StmtContext(ctx, t.set)
		for i := range keys {
			if _, err := set.ExecContext(ctx, with(args, keys[i], values[i])...); err != nil {
				return err
			}
		}
	}
	if len(c.gone) > 0 {
		remove := tx.StmtContext(ctx, t.remove)
		for _, key := range c.gone {
			if _, err := remove.ExecContext(ctx, with(args, key)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyArrays is apply in one or two statements, so that the way to the server and back counts once. The one that sets rows looks at
// the seat by itself, and sets none if it is lost.
func (t *table) applyArrays(ctx context.Context, tx *sql.Tx, args []any, held *seat, c change) error {
	if len(c.keys) == 0 {
		if err := held.check(ctx, tx); err != nil {
			return err
		}
	} else {
		result, err := tx.ExecContext(ctx, t.statements.setMany, with(args, c.keys, c.values, held.epoch)...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != int64(len(c.keys)) {
			return errors.Join(err, held.lost(ctx, tx))
		}
	}
	if len(c.gone) > 0 {
		if _, err := tx.ExecContext(ctx, t.statements.remove, with(args, c.gone)...); err != nil {
			return err
		}
	}
	return nil
}

// load is described at rows.Store.
func (t *table) load(ctx context.Context, args []any, keys [][]byte) ([][]byte, error) {
	if t.dialect == dialect.Postgres {
		return t.loadArray(ctx, args, keys)
	}
	return t.loadEach(ctx, args, keys)
}

func (t *table) loadEach(ctx context.Context, args []any, keys [][]byte) (values [][]byte, err error) {
	// One transaction, so that all values are of one moment.
	tx, err := t.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() {
		// Nothing was written, and after a done context it is over already.
		if end := tx.Rollback(); err == nil && end != nil && !errors.Is(end, sql.ErrTxDone) {
			err = end
		}
	}()
	get := tx.StmtContext(ctx, t.get)
	values = make([][]byte, len(keys))
	for i, key := range keys {
		var value []byte
		err := get.QueryRowContext(ctx, with(args, key)...).Scan(&value)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		values[i] = notNil(value)
	}
	return values, nil
}

func (t *table) loadArray(ctx context.Context, args []any, keys [][]byte) (values [][]byte, err error) {
	values = make([][]byte, len(keys))
	if len(keys) == 0 {
		return values, nil
	}
	at := make(map[string][]int, len(keys))
	for i, key := range keys {
		at[string(key)] = append(at[string(key)], i)
	}
	cursor, err := t.read.QueryContext(ctx, t.statements.get, with(args, keys)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	for cursor.Next() {
		var key sql.RawBytes
		var value []byte
		if err := cursor.Scan(&key, &value); err != nil {
			return nil, err
		}
		for n, i := range at[string(key)] {
			if n > 0 {
				value = append([]byte{}, value...) // who asked twice gets two slices
			}
			values[i] = notNil(value)
		}
	}
	return values, cursor.Err()
}

// find is Scan of rows.Store.
func (t *table) find(ctx context.Context, args []any, from, to []byte, limit, maxBytes int) (found []rows.Row, err error) {
	cursor, err := t.query(ctx, args, from, to, limit, maxBytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	size := 0
	for cursor.Next() {
		var row rows.Row
		if err := cursor.Scan(&row.Key, &row.Value); err != nil {
			return nil, err
		}
		row.Value = notNil(row.Value)
		size += len(row.Key) + len(row.Value)
		if maxBytes > 0 && size > maxBytes && len(found) > 0 {
			return found, nil
		}
		found = append(found, row)
	}
	return found, cursor.Err()
}

func (t *table) query(ctx context.Context, args []any, from, to []byte, limit, maxBytes int) (*sql.Rows, error) {
	args = with(args, notNil(from))
	if to != nil {
		args = append(args, to)
	}
	args = append(args, limit)
	switch {
	case t.dialect == dialect.Postgres:
		if maxBytes > 0 {
			args = append(args, maxBytes)
		}
		return t.read.QueryContext(ctx, t.statements.between(to != nil, maxBytes > 0), args...)
	case to != nil:
		return t.scanUntil.QueryContext(ctx, args...)
	default:
		return t.scan.QueryContext(ctx, args...)
	}
}

// with returns args and more in a slice of its own.
func with(args []any, more ...any) []any {
	return append(append(make([]any, 0, len(args)+len(more)+3), args...), more...)
}
