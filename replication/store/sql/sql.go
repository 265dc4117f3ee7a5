// Package sql is the storage port on a table with two columns, through database/sql.
//
// It runs on SQLite (write-ahead log, synchronous=FULL). What another engine does in its own
// way is in one place, the dialect; the rest is common SQL. One connection writes, a few
// others read, so readers never wait for a commit.
package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// Format is the format number of stores written by this program. It is in the file store.format and in the
// database (SQLite: user_version).
//
//	1  table rows (key, value)
const Format = 1

const (
	readers  = 4
	maxBytes = 4 << 20
	maxRows  = 20_000
)

// Options says where the store is.
type Options struct {
	// Dir is the directory of the store, created if missing. Nothing else may be in it.
	Dir string
}

// Store is the port on SQL.
type Store struct {
	d       dialect
	dir     *datadir.Dir
	writeDB *sql.DB
	readDB  *sql.DB

	get, scan, scanUntil *sql.Stmt // on readDB

	conn        *sql.Conn // the one of writeDB
	set, remove *sql.Stmt // on conn

	gate rows.Gate
}

var _ rows.Store = (*Store)(nil)

// Open opens the SQLite store in o.Dir or begins a new one. The report tells about earlier attempts also if this one
// fails. Errors: rows.ErrInUse, rows.ErrNewerFormat (nothing was changed), rows.ErrCorrupt, rows.ErrFull.
func Open(ctx context.Context, o Options) (*Store, datadir.OpenReport, error) {
	dir, report, err := datadir.Enter(o.Dir, "sqlite", Format)
	if err != nil {
		return nil, report, err
	}
	s := &Store{d: sqliteDialect, dir: dir}
	if err = s.open(ctx, o.Dir); err == nil {
		err = dir.Opened()
	}
	if err != nil {
		return nil, report, fmt.Errorf("open the store in %s: %w", o.Dir, errors.Join(err, s.Close()))
	}
	return s, report, nil
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	write, read := sqliteNames(path)
	if s.writeDB, err = sql.Open(s.d.driver, write); err != nil {
		return err
	}
	s.writeDB.SetMaxOpenConns(1)
	if s.conn, err = s.writeDB.Conn(ctx); err != nil {
		return s.d.mapError(err)
	}
	if err := s.checkFormat(ctx, path); err != nil {
		return err
	}
	if s.readDB, err = sql.Open(s.d.driver, read); err != nil {
		return err
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	for _, prepare := range []struct {
		stmt **sql.Stmt
		on   interface {
			PrepareContext(context.Context, string) (*sql.Stmt, error)
		}
		text string
	}{
		{&s.set, s.conn, s.d.set}, {&s.remove, s.conn, s.d.remove},
		{&s.get, s.readDB, s.d.get}, {&s.scan, s.readDB, s.d.scan}, {&s.scanUntil, s.readDB, s.d.scanUntil},
	} {
		if *prepare.stmt, err = prepare.on.PrepareContext(ctx, prepare.text); err != nil {
			return fmt.Errorf("prepare a statement: %w", s.d.mapError(err))
		}
	}
	return nil
}

// checkFormat compares the format number in the database, or makes the table in a new one. It is the second
// check: datadir did the first before the engine touched anything.
func (s *Store) checkFormat(ctx context.Context, path string) error {
	var tables, format int
	if err := s.conn.QueryRowContext(ctx, s.d.exists).Scan(&tables); err != nil {
		return fmt.Errorf("look for the table: %w", s.d.mapError(err))
	}
	if err := s.conn.QueryRowContext(ctx, s.d.format).Scan(&format); err != nil {
		return fmt.Errorf("read the format number: %w", s.d.mapError(err))
	}
	switch {
	case tables == 0 && format == 0:
		return s.transaction(ctx, func(ctx context.Context) error {
			for _, text := range []string{s.d.create, fmt.Sprintf(s.d.number, Format)} {
				if _, err := s.conn.ExecContext(ctx, text); err != nil {
					return fmt.Errorf("make the table: %w", s.d.mapError(err))
				}
			}
			return nil
		})
	case format == 0:
		return fmt.Errorf("%w: it has a table but no format number: rebuild it from peers or a backup", rows.ErrCorrupt)
	}
	return datadir.CheckNumber(path, format, Format)
}

// transaction runs write inside a transaction. Once it began it goes on to its end whatever happens to ctx, so that
// its outcome is known. One may run at a time: see Gate.Write.
func (s *Store) transaction(ctx context.Context, write func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := s.conn.ExecContext(ctx, s.d.begin); err != nil {
		return fmt.Errorf("begin: %w", s.d.mapError(err))
	}
	if err := write(ctx); err != nil {
		if _, undo := s.conn.ExecContext(ctx, `ROLLBACK`); undo != nil && !s.d.isUndone(undo) {
			return fmt.Errorf("%w: %w, and it could not be undone: %w", rows.ErrFailed, err, s.d.mapError(undo))
		}
		return err
	}
	if _, err := s.conn.ExecContext(ctx, `COMMIT`); err != nil {
		return fmt.Errorf("%w: %w", rows.ErrFailed, s.d.mapError(err))
	}
	return nil
}

// Load is a method of rows.Store.
func (s *Store) Load(ctx context.Context, keys [][]byte) ([][]byte, error) {
	err := rows.CheckKeys(keys)
	var values [][]byte
	if err == nil {
		err = s.gate.Read(ctx, func() (err error) {
			values, err = s.load(ctx, keys)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(keys), s.reading(ctx, err))
	}
	return values, nil
}

func (s *Store) load(ctx context.Context, keys [][]byte) (values [][]byte, err error) {
	// One transaction, so that all values are of one moment.
	tx, err := s.readDB.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		// Nothing was written, and after a done context it is over already.
		if end := tx.Rollback(); err == nil && end != nil && !errors.Is(end, sql.ErrTxDone) {
			err = end
		}
	}()
	get := tx.StmtContext(ctx, s.get)
	values = make([][]byte, len(keys))
	for i, key := range keys {
		var value []byte
		err := get.QueryRowContext(ctx, key).Scan(&value)
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

// Scan is a method of rows.Store.
func (s *Store) Scan(ctx context.Context, from, to []byte, limit, maxBytes int) ([]rows.Row, error) {
	if err := rows.CheckScan(limit, maxBytes); err != nil {
		return nil, err
	}
	var found []rows.Row
	err := s.gate.Read(ctx, func() (err error) {
		found, err = s.read(ctx, from, to, limit, maxBytes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", s.reading(ctx, err))
	}
	return found, nil
}

func (s *Store) read(ctx context.Context, from, to []byte, limit, maxBytes int) (found []rows.Row, err error) {
	statement, args := s.scan, []any{notNil(from), limit}
	if to != nil {
		statement, args = s.scanUntil, []any{notNil(from), to, limit}
	}
	cursor, err := statement.QueryContext(ctx, args...)
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

// reading maps the error of a read; the engine's word for a done context is replaced by the context's own.
func (s *Store) reading(ctx context.Context, err error) error {
	if done := ctx.Err(); done != nil {
		return done
	}
	return s.d.mapError(err)
}

// Commit is a method of rows.Store.
func (s *Store) Commit(ctx context.Context, batch []rows.Write) error {
	err := rows.CheckBatch(batch, maxBytes, maxRows)
	if err == nil {
		err = s.gate.Write(ctx, func() error { return s.write(ctx, batch) })
	}
	if err != nil {
		return fmt.Errorf("commit %d rows: %w", len(batch), err)
	}
	return nil
}

func (s *Store) write(ctx context.Context, batch []rows.Write) error {
	if len(batch) == 0 {
		return nil
	}
	return s.transaction(ctx, func(ctx context.Context) error {
		for i := range batch {
			var err error
			if w := &batch[i]; w.Delete {
				_, err = s.remove.ExecContext(ctx, w.Key)
			} else {
				_, err = s.set.ExecContext(ctx, w.Key, notNil(w.Value))
			}
			if err != nil {
				return s.d.mapError(err)
			}
		}
		return nil
	})
}

// MaxBatch is a method of rows.Store.
func (s *Store) MaxBatch() (bytes, rows int) { return maxBytes, maxRows }

// Close is a method of rows.Store.
func (s *Store) Close() error { return s.gate.Close(s.end) }

func (s *Store) end() error {
	var problems []error
	for _, stmt := range []*sql.Stmt{s.get, s.scan, s.scanUntil, s.set, s.remove} {
		if stmt != nil {
			problems = append(problems, stmt.Close())
		}
	}
	if s.readDB != nil {
		problems = append(problems, s.readDB.Close())
	}
	if s.conn != nil {
		problems = append(problems, s.conn.Close())
	}
	if s.writeDB != nil {
		problems = append(problems, s.writeDB.Close())
	}
	if err := errors.Join(append(problems, s.dir.Leave())...); err != nil {
		return fmt.Errorf("close the store: %w", s.d.mapError(err))
	}
	return nil
}

// notNil makes an absent value an empty one: to SQL nil is NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
