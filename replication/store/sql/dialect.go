package sql

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// dialect is all that differs between SQL engines.
type dialect struct {
	driver string // as registered with database/sql

	begin  string // starts the transaction of a commit
	create string // makes the table; run in a new store
	exists string // answers 1 if the table is there, else 0
	format string // answers the format number
	number string // sets the format number, %d

	set, remove     string // key, value | key
	get             string // key
	scan, scanUntil string // from, limit | from, to, limit; in key order, bytes compared as numbers

	mapError func(error) error // turns an error of the engine into one of package rows
	isUndone func(error) bool  // is this answer to ROLLBACK that the engine has done so by itself?
}

var sqliteDialect = dialect{
	driver: "sqlite",
	begin:  `BEGIN IMMEDIATE`,
	// Not WITHOUT ROWID: there the value is part of the index, and each comparison with a row of 1 MiB reads all of it.
	create: `CREATE TABLE rows (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)`,
	exists: `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'rows'`,
	format: `PRAGMA user_version`,
	number: `PRAGMA user_version = %d`,

	set:       `INSERT INTO rows (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
	remove:    `DELETE FROM rows WHERE key = ?`,
	get:       `SELECT value FROM rows WHERE key = ?`,
	scan:      `SELECT key, value FROM rows WHERE key >= ? ORDER BY key LIMIT ?`,
	scanUntil: `SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`,

	mapError: mapSQLite,
	// SQLite undoes a transaction by itself when the disk is full, and has no code of its own for saying so.
	isUndone: func(err error) bool { return strings.Contains(err.Error(), "no transaction is active") },
}

// sqliteNames returns the data source names of the writing and of the reading connections.
func sqliteNames(dir string) (write, read string) {
	file := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(dir, "rows.db"))}
	common := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-4096)"}}
	file.RawQuery = common.Encode()
	write = file.String()
	common.Add("_pragma", "query_only(1)")
	file.RawQuery = common.Encode()
	return write, file.String()
}

func mapSQLite(err error) error {
	var engine *sqlite.Error
	if !errors.As(err, &engine) {
		return err
	}
	switch engine.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w, make room and try again: %w", rows.ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: rebuild it from peers or a backup: %w", rows.ErrCorrupt, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w by another program: stop that one or use another directory: %w", rows.ErrInUse, err)
	}
	return err
}
