package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// Format is the format number of stores of a directory written by this program. It is in the file store.format and in
// the database (user_version).
//
//	1  table rows (key, value)
const Format = 1

const readers = 4

// Options says where the store is.
type Options struct {
	// Dir is the directory of the store, created if missing. Nothing else may be in it.
	Dir string
}

// directory is what a store of its own has to close.
type directory struct {
	dir   *datadir.Dir
	table table
}

// Open opens the SQLite store in o.Dir or begins a new one. The report tells about earlier attempts also if this one
// fails. Errors: rows.ErrInUse, rows.ErrNewerFormat (nothing was changed), rows.ErrCorrupt, rows.ErrFull.
func Open(ctx context.Context, o Options) (*Store, datadir.OpenReport, error) {
	dir, report, err := datadir.Enter(o.Dir, "sqlite", Format)
	if err != nil {
		return nil, report, err
	}
	d := &directory{dir: dir, table: table{dialect: dialect.SQLite, statements: directoryStatements()}}
	if err = d.open(ctx, o.Dir); err == nil {
		err = dir.Opened()
	}
	if err != nil {
		return nil, report, fmt.Errorf("open the store in %s: %w", o.Dir, errors.Join(err, d.close()))
	}
	return &Store{table: &d.table, end: d.close}, report, nil
}

func (d *directory) open(ctx context.Context, path string) (err error) {
	t := &d.table
	write, read := sqliteNames(path)
	if t.write, err = sql.Open("sqlite", write); err != nil {
		return err
	}
	t.write.SetMaxOpenConns(1)
	if err := d.checkFormat(ctx, path); err != nil {
		return err
	}
	if t.read, err = sql.Open("sqlite", read); err != nil {
		return err
	}
	t.read.SetMaxOpenConns(readers)
	t.read.SetMaxIdleConns(readers)
	return t.prepare(ctx)
}

// sqliteNames returns the data source names of the writing and of the reading connections.
func sqliteNames(dir string) (write, read string) {
	file := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(dir, "rows.db"))}
	common := []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-4096)"}
	file.RawQuery = url.Values{"_pragma": common, "_txlock": {"immediate"}}.Encode()
	write = file.String()
	file.RawQuery = url.Values{"_pragma": append(common, "query_only(1)")}.Encode()
	return write, file.String()
}

// checkFormat compares the format number in the database, or makes the table in a new one. It is the second
// check: datadir did the first before the engine touched anything.
func (d *directory) checkFormat(ctx context.Context, path string) error {
	db, mapped := d.table.write, d.table.dialect.Map
	var tables, format int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'rows'`).Scan(&tables); err != nil {
		return fmt.Errorf("look for the table: %w", mapped(err))
	}
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&format); err != nil {
		return fmt.Errorf("read the format number: %w", mapped(err))
	}
	switch {
	case tables == 0 && format == 0:
		return d.table.dialect.Transact(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			for _, text := range []string{
				// Not WITHOUT ROWID: there the value is part of the index, and each comparison with a row of 1 MiB reads all of it.
				`CREATE TABLE rows (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)`,
				fmt.Sprintf(`PRAGMA user_version = %d`, Format),
			} {
				if _, err := tx.ExecContext(ctx, text); err != nil {
					return fmt.Errorf("make the table: %w", mapped(err))
				}
			}
			return nil
		})
	case format == 0:
		return fmt.Errorf("%w: it has a table but no format number: rebuild it from peers or a backup", rows.ErrCorrupt)
	}
	return datadir.CheckNumber(path, format, Format)
}

func (d *directory) close() error {
	problems := []error{d.table.close()}
	for _, pool := range []*sql.DB{d.table.read, d.table.write} {
		if pool != nil {
			problems = append(problems, pool.Close())
		}
	}
	if err := errors.Join(append(problems, d.dir.Leave())...); err != nil {
		return fmt.Errorf("close the store: %w", d.table.dialect.Map(err))
	}
	return nil
}
