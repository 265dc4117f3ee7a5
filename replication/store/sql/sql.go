// Package sql is the storage port on a table of rows, through database/sql.
//
// It comes in two forms that share everything but the table:
//
//   - [Open]: a store of its own in a directory, on SQLite (write-ahead log, synchronous=FULL).
//   - [Shops]: the stores of many shops in one database, on SQLite or on anything that speaks the protocol of
//     PostgreSQL. Who opened the database, made its tables and took the seat of a shop is the caller (package cloudlink/database).
//
// What an engine does in its own way is in one place, package dialect and the statements here; the rest is common SQL.
// Readers never wait for a commit.
package sql

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

const (
	maxBytes = 4 << 20
	maxRows  = 20_000
)

// Store is the port on SQL. Get one from [Open] or [Shops.Open].
type Store struct {
	table  *table
	args   []any // the key of the shop, or nothing
	seat   *seat // nil: the store is nobody else's
	beside func(context.Context, *sql.Tx) error
	group  *group // nil: each commit has a transaction of its own
	end    func() error
	gate   rows.Gate
}

var _ rows.Store = (*Store)(nil)

// Load is a method of rows.Store.
func (s *Store) Load(ctx context.Context, keys [][]byte) ([][]byte, error) {
	err := rows.CheckKeys(keys)
	var values [][]byte
	if err == nil {
		err = s.gate.Read(ctx, func() (err error) {
			values, err = s.table.load(ctx, s.args, keys)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(keys), s.reading(ctx, err))
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
		found, err = s.table.find(ctx, s.args, from, to, limit, maxBytes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", s.reading(ctx, err))
	}
	return found, nil
}

// reading maps the error of a read; the engine's word for a done context is replaced by the context's own.
func (s *Store) reading(ctx context.Context, err error) error {
	if done := ctx.Err(); done != nil {
		return done
	}
	return s.table.dialect.Map(err)
}

// Commit is a method of rows.Store.
func (s *Store) Commit(ctx context.Context, batch []rows.Write) error {
	err := rows.CheckBatch(batch, maxBytes, maxRows)
	if err == nil {
		err = s.gate.Write(ctx, func() error { return s.commit(ctx, batch) })
	}
	if err != nil {
		return fmt.Errorf("commit %d rows: %w", len(batch), err)
	}
	return nil
}

func (s *Store) commit(ctx context.Context, batch []rows.Write) error {
	if len(batch) == 0 {
		return nil
	}
	c := changeOf(batch)
	if s.group != nil {
		return s.group.commit(ctx, s, c)
	}
	return s.table.dialect.Transact(ctx, s.table.write, func(ctx context.Context, tx *sql.Tx) error { return s.put(ctx, tx, c) })
}

// put does within a transaction what a commit comes to.
func (s *Store) put(ctx context.Context, tx *sql.Tx, c change) error {
	if err := s.table.apply(ctx, tx, s.args, s.seat, c); err != nil {
		return err
	}
	if s.beside != nil {
		return s.beside(ctx, tx)
	}
	return nil
}

// MaxBatch is a method of rows.Store.
func (s *Store) MaxBatch() (bytes, rows int) { return maxBytes, maxRows }

// Close is a method of rows.Store.
func (s *Store) Close() error { return s.gate.Close(s.end) }
