package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// File is the name of the SQLite database in its data directory.
const File = "cloud.db"

const (
	sqliteReaders = 8
	lockWait      = 60 * time.Second
)

// openSQLite opens the file in dir. One connection writes and begins its transactions IMMEDIATE, so that none has to be
// undone because another one was faster; the others read beside it.
func openSQLite(ctx context.Context, dir string) (*DB, error) {
	d := &DB{dialect: dialect.SQLite}
	if dir == "" {
		return d, fmt.Errorf("%w: name a data directory or the address of a database", ErrAddress)
	}
	if err := makeFile(dir, File); err != nil {
		return d, err
	}
	common := []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16384)"}
	var err error
	if d.write, err = sql.Open("sqlite", sqliteName(dir, File, "immediate", common)); err != nil {
		return d, err
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", sqliteName(dir, File, "deferred", append(common, "query_only(1)"))); err != nil {
		return d, err
	}
	d.read.SetMaxOpenConns(sqliteReaders)
	d.read.SetMaxIdleConns(sqliteReaders)
	if err := d.write.PingContext(ctx); err != nil {
		return d, fmt.Errorf("open %s: %w", filepath.Join(dir, File), d.dialect.Map(err))
	}
	return d, nil
}

// makeFile makes the file for its owner alone, who keeps the key of the installation in it; SQLite gives its other files the
// same rights.
func makeFile(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the data directory %s: %w", dir, datadir.MapFull(err))
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Join(dir, name), datadir.MapFull(err))
	}
	return f.Close()
}

func sqliteName(dir, file, begin string, pragmas []string) string {
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(dir, file))}
	name.RawQuery = url.Values{"_txlock": {begin}, "_pragma": pragmas}.Encode()
	return name.String()
}

// lockFile runs do while it holds the lock of a data directory: an exclusive transaction on a database of its own, which
// the system ends with the process and which is the same on all systems.
func lockFile(ctx context.Context, dir string, do func() error) (err error) {
	if err := makeFile(dir, File+".lock"); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", sqliteName(dir, File+".lock", "exclusive", []string{"busy_timeout(250)"}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := waitForLock(ctx, db)
	if err != nil {
		return fmt.Errorf("lock %s: %w", filepath.Join(dir, File), err)
	}
	return errors.Join(do(), tx.Rollback())
}

func waitForLock(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	for until := time.Now().Add(lockWait); ; {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			return tx, nil
		}
		if err = dialect.SQLite.Map(err); !errors.Is(err, rows.ErrInUse) || time.Now().After(until) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}
