package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

const (
	postgresConns  = 20
	connectTimeout = 10 * time.Second
	idleConn       = 5 * time.Minute
)

// sessionSettings are made on each connection. An engine that does not know one of them goes on without.
var sessionSettings = []string{
	// A transaction of ours asks one thing after another. A server that stands still inside of one (a frozen machine, a cut
	// line) must not keep the seat of a shop locked for longer than it keeps the seat.
	`SET idle_in_transaction_session_timeout = 3000`,
	// Rows are read in the order of keys, a page at a time. Before the statistics of a growing table are right, the planner takes
	// a bitmap and a sort for that, which read everything behind the page for each page.
	`SET enable_bitmapscan = off`,
}

// openPostgres opens a pool. The result is never nil.
func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	d := &DB{dialect: dialect.Postgres}
	config, conns, err := parse(dsn)
	if err != nil {
		return d, err
	}
	pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		for _, setting := range sessionSettings {
			if _, err := c.Exec(ctx, setting); err != nil && dialect.State(err) == "" {
				return err
			}
		}
		return nil
	}))
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(idleConn)
	d.write, d.read = pool, pool
	if err := pool.PingContext(ctx); err != nil {
		return d, explain(config, d.dialect.Map(err))
	}
	return d, d.checkSettings(ctx)
}

// parse reads an address. Errors never hold the password.
func parse(dsn string) (*pgx.ConnConfig, int, error) {
	if scheme, _, found := strings.Cut(dsn, "://"); found && scheme != "postgres" && scheme != "postgresql" {
		return nil, 0, fmt.Errorf("%w: it begins with %q: give postgres://user@host/name, or a data directory for SQLite", ErrAddress, scheme+"://")
	} else if !found && !strings.Contains(dsn, "=") {
		return nil, 0, fmt.Errorf("%w: give postgres://user@host/name, or a data directory for SQLite", ErrAddress)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if _, named := config.RuntimeParams["application_name"]; !named {
		config.RuntimeParams["application_name"] = "tillmesh cloud"
	}
	conns := postgresConns
	if text, given := config.RuntimeParams["pool_max_conns"]; given {
		delete(config.RuntimeParams, "pool_max_conns")
		if conns, err = strconv.Atoi(text); err != nil || conns < 2 {
			return nil, 0, fmt.Errorf("%w: pool_max_conns is %q: it must be a number from 2 on", ErrAddress, text)
		}
	}
	return config, conns, nil
}

// explain says what to do about a database that took no connection.
func explain(config *pgx.ConnConfig, err error) error {
	var server *pgconn.PgError
	errors.As(err, &server)
	switch state := dialect.State(err); {
	case state == "28P01":
		return fmt.Errorf("%w: the password of user %q is wrong: correct it in the address: %w", ErrRefused, config.User, err)
	case state == "28000":
		return fmt.Errorf("%w: user %q may not log in from here: %s: %w", ErrRefused, config.User, server.Message, err)
	case state == "3D000":
		return fmt.Errorf("%w: there is no database %q: make one (createdb %s), the tables come by themselves: %w",
			ErrRefused, config.Database, config.Database, err)
	}
	return fmt.Errorf("database %q on %s: %w", config.Database, config.Host, err)
}

// checkSettings looks for what would break the promise that an answered commit survives a power cut.
func (d *DB) checkSettings(ctx context.Context) error {
	for _, s := range []struct{ name, warning string }{
		{"fsync", "the database server runs with fsync off: a power cut there can lose receipts that were confirmed; switch it on"},
		{"full_page_writes", "the database server runs with full_page_writes off: a power cut there can damage the database; switch it on"},
		{"synchronous_commit", "the database confirms commits before they are on disk (synchronous_commit off): a crash there can lose receipts; switch it on"},
	} {
		var value sql.NullString // other engines do not know every setting
		if err := d.read.QueryRowContext(ctx, `SELECT current_setting($1, true)`, s.name).Scan(&value); err != nil {
			if dialect.State(err) == "" {
				return fmt.Errorf("read the settings of the database: %w", d.dialect.Map(err))
			}
			return nil
		}
		if value.String == "off" {
			d.warnings = append(d.warnings, s.warning)
		}
	}
	return nil
}

// lockRow runs do while it holds the lock of the database: a row that one transaction holds. Unlike an advisory lock it
// works on all engines of this protocol, and through a pooler.
func (d *DB) lockRow(ctx context.Context, do func() error) error {
	if err := d.makeLock(ctx); err != nil {
		return fmt.Errorf("make the lock of the tables: %w", d.dialect.Map(err))
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("lock the tables: %w", d.dialect.Map(err))
	}
	for _, text := range []string{`SET LOCAL idle_in_transaction_session_timeout = 0`, `SELECT one FROM schema_lock WHERE one = 1 FOR UPDATE`} {
		if _, err = tx.ExecContext(ctx, text); err != nil {
			err = fmt.Errorf("lock the tables: %w", d.dialect.Map(err))
			break
		}
	}
	if err == nil {
		err = do()
	}
	if undo := tx.Rollback(); undo != nil && err == nil {
		err = fmt.Errorf("unlock the tables: %w", d.dialect.Map(undo))
	}
	return err
}

// makeLock makes the row that is locked. Several servers may do so at once, which IF NOT EXISTS does not foresee.
func (d *DB) makeLock(ctx context.Context) (err error) {
	for range 5 {
		if _, err = d.write.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_lock (one BIGINT NOT NULL PRIMARY KEY)`); err == nil {
			_, err = d.write.ExecContext(ctx, `INSERT INTO schema_lock (one) VALUES (1) ON CONFLICT (one) DO NOTHING`)
			return err
		}
		if state := dialect.State(err); state != "23505" && state != "42P07" && state != "42710" {
			return err
		}
	}
	return err
}
