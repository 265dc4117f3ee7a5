package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

//go:embed migrations
var embedded embed.FS

// versionTable is where goose notes which migrations were run.
const versionTable = "schema_version"

// migrationFiles holds a folder of migrations for each engine.
type migrationFiles struct{ fs.FS }

var migrations = migrationFiles{must(fs.Sub(embedded, "migrations"))}

func must(f fs.FS, err error) fs.FS {
	if err != nil {
		panic(err)
	}
	return f
}

// locker runs do while no other server migrates the same database.
type locker func(ctx context.Context, do func() error) error

func (d *DB) provider(m migrationFiles) (*goose.Provider, error) {
	folder, err := fs.Sub(m, string(d.dialect))
	if err != nil {
		return nil, err
	}
	engine := goose.DialectSQLite3
	if d.dialect == dialect.Postgres {
		engine = goose.DialectPostgres
	}
	return goose.NewProvider(engine, d.write, folder, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
}

// migrate brings the tables up to date. Each migration is one transaction. The version is read before the lock is taken, because
// a newer program may lock in another way and a server with no right to make tables needs none once they are there, and
// again under it.
func (d *DB) migrate(ctx context.Context, m migrationFiles, locked locker) error {
	provider, err := d.provider(m)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	version, err := d.checkVersion(ctx, newest)
	if err != nil || version == newest {
		return err
	}
	return locked(ctx, func() error {
		if _, err := d.checkVersion(ctx, newest); err != nil {
			return err
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("bring the tables from version %d to %d: %w", version, newest, d.dialect.Map(err))
		}
		return nil
	})
}

// checkVersion returns the version of the tables, 0 of a new database, or ErrNewerSchema. It changes nothing.
func (d *DB) checkVersion(ctx context.Context, newest int64) (int64, error) {
	version, err := d.version(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the version of the tables: %w", d.dialect.Map(err))
	}
	if version > newest {
		return version, fmt.Errorf("%w: its tables have version %d, this program knows up to %d: update this program, nothing was changed",
			ErrNewerSchema, version, newest)
	}
	return version, nil
}

func (d *DB) version(ctx context.Context) (int64, error) {
	exists := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`
	if d.dialect == dialect.Postgres {
		exists = `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = ?`
	}
	var tables int
	if err := d.read.QueryRowContext(ctx, d.dialect.Rebind(exists), versionTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	var version sql.NullInt64
	err := d.read.QueryRowContext(ctx, `SELECT max(version_id) FROM `+versionTable).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version.Int64, err
}
