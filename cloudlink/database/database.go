// Package database opens the database of the cloud: SQLite in a data directory, or anything that speaks the protocol of
// PostgreSQL.
//
//	db, err := database.Open(ctx, database.Options{Dir: "./cloud"})
//	err = db.Tx(ctx, func(tx *database.Tx) error {
//		_, err := tx.Exec(ctx, `UPDATE shops SET name = ? WHERE shop = ?`, name, shop[:])
//		return err
//	})
//
// Open brings the tables up to date by itself, under a lock, so that several servers may start at once. A database of a
// newer program is refused and left as it is. A server of the version before goes on while others are updated, so a
// migration adds; what is no longer needed leaves one version later.
//
// # Rules of the tables
//
// They are in migrations/sqlite and migrations/postgres under the same numbers, and a number that was released never
// changes: testdata/schema holds what each comes to. Every table that holds something of a shop or an account has that as the
// first column of its key, so it can be spread over machines. IDs and hashes are bytes (BLOB, BYTEA), numbers and times whole numbers (INTEGER,
// BIGINT; times are Unix milliseconds), the rest is TEXT. Statements are plain SQL with the placeholder ?.
//
// # Files of a data directory
//
//	cloud.db       the database, with cloud.db-wal and cloud.db-shm while it is open
//	cloud.db.lock  held while tables are brought up to date
package database

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// Errors of [Open]. Others are those of package rows: rows.ErrUnreachable, rows.ErrFull, rows.ErrInUse, rows.ErrCorrupt.
var (
	// ErrNewerSchema: a newer program made or updated the tables. Nothing was changed; update this program.
	ErrNewerSchema = errors.New("database belongs to a newer version")
	// ErrRefused: the database refuses the user, the password or the name of the database.
	ErrRefused = errors.New("database refuses the login")
	// ErrAddress: the address of the database cannot be read.
	ErrAddress = errors.New("address of the database is not understood")
)

// Options says which database.
type Options struct {
	// Dir is the data directory for SQLite, created if missing. It counts if DSN is empty.
	Dir string
	// DSN is the address of a PostgreSQL-wire database: postgres://user:password@host/name?sslmode=verify-full, or
	// "host=… dbname=…". The environment variables of PostgreSQL (PGHOST, PGPASSWORD, …) fill in what is missing.
	// pool_max_conns in it says how many connections this server opens at most.
	DSN string
	// Random is where the key of a new installation comes from; nil means crypto/rand.
	Random io.Reader
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect      dialect.Dialect
	write, read  *sql.DB
	installation Installation
	warnings     []string
}

// Open opens the database, brings its tables up to date and reads the installation, which it makes in a new database.
// A database that is down is an error (rows.ErrUnreachable): the caller decides whether to try again.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return open(ctx, o, migrations)
}

func open(ctx context.Context, o Options, m migrationFiles) (*DB, error) {
	d, locked, err := connect(ctx, o)
	if err == nil {
		err = d.migrate(ctx, m, locked)
	}
	if err == nil {
		d.installation, err = d.install(ctx, o.Random)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", errors.Join(err, d.Close()))
	}
	return d, nil
}

// connect opens the pools and says how to keep other servers from migrating.
func connect(ctx context.Context, o Options) (*DB, locker, error) {
	if o.DSN != "" {
		d, err := openPostgres(ctx, o.DSN)
		return d, d.lockRow, err
	}
	d, err := openSQLite(ctx, o.Dir)
	return d, func(ctx context.Context, do func() error) error { return lockFile(ctx, o.Dir, do) }, err
}

// Close closes the connections. Transactions under way end with an error.
func (d *DB) Close() error {
	var problems []error
	if d.read != nil && d.read != d.write {
		problems = append(problems, d.read.Close())
	}
	if d.write != nil {
		problems = append(problems, d.write.Close())
	}
	return errors.Join(problems...)
}

// Dialect tells the engine.
func (d *DB) Dialect() dialect.Dialect { return d.dialect }

// Pools returns the connections for transactions that write and for reading: see sql.Database of replication/store/sql.
func (d *DB) Pools() (write, read *sql.DB) { return d.write, d.read }

// Warnings are sentences about settings of the database server that put data at risk. Say them to who runs the cloud.
func (d *DB) Warnings() []string { return d.warnings }

// Ping returns nil if the database answers, else rows.ErrUnreachable.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.read.PingContext(ctx); err != nil {
		return fmt.Errorf("ask the database: %w", d.dialect.Map(err))
	}
	return nil
}
