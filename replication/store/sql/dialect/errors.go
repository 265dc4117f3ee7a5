package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Map turns an error of the engine into one of package rows, with what to do: rows.ErrFull, rows.ErrCorrupt, rows.ErrInUse
// (SQLite is locked by another program), rows.ErrUnreachable. Other errors, also those that were mapped before, are returned
// as they are.
func (d Dialect) Map(err error) error {
	if err == nil || mapped(err) {
		return err
	}
	if d == SQLite {
		return mapSQLite(err)
	}
	return mapPostgres(err)
}

func mapped(err error) bool {
	for _, known := range []error{rows.ErrFull, rows.ErrCorrupt, rows.ErrInUse, rows.ErrUnreachable, rows.ErrFailed, rows.ErrFenced} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Duplicate reports whether a row was refused because there is one with the same key or unique value.
func (d Dialect) Duplicate(err error) bool {
	var engine *sqlite.Error
	if errors.As(err, &engine) {
		return engine.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || engine.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
	}
	return State(err) == "23505"
}

// State returns the SQLSTATE of an error of PostgreSQL, and nothing if it has none: the server did not say it.
func State(err error) string {
	var server interface{ SQLState() string }
	if errors.As(err, &server) {
		return server.SQLState()
	}
	return ""
}

func mapSQLite(err error) error {
	var engine *sqlite.Error
	if !errors.As(err, &engine) {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w by another transaction for too long: try again: %w", rows.ErrInUse, err)
		}
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

func mapPostgres(err error) error {
	state := State(err)
	switch {
	case state == "53100":
		return fmt.Errorf("%w where the database is, make room there and try again: %w", rows.ErrFull, err)
	case state == "XX001", state == "XX002":
		return fmt.Errorf("%w: restore the database from its backup: %w", rows.ErrCorrupt, err)
	case gone(state), state == "" && severed(err):
		return fmt.Errorf("%w: see that the database runs and can be reached: %w", rows.ErrUnreachable, err)
	}
	return err
}

// gone reports whether a SQLSTATE says that the server ends the connection or takes none: class 08, too many connections,
// out of memory, shutting down, crashed, starting, idle for too long, read only because it is a replica.
func gone(state string) bool {
	return strings.HasPrefix(state, "08") ||
		slices.Contains([]string{"53200", "53300", "57P01", "57P02", "57P03", "57P05", "25P03", "25006"}, state)
}

// severed reports whether the connection ended, or nobody answered in time.
func severed(err error) bool {
	var network interface{ Timeout() bool } // what package net gives
	var unsent interface{ SafeToRetry() bool }
	return errors.As(err, &network) || errors.As(err, &unsent) && unsent.SafeToRetry() ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, context.DeadlineExceeded)
}

// again reports whether the engine asks for the same transaction once more: a conflict with another one, or nothing was
// sent yet. It was undone then.
func again(err error) bool {
	var engine *sqlite.Error
	if errors.As(err, &engine) {
		return engine.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	var unsent interface{ SafeToRetry() bool }
	if errors.As(err, &unsent) && unsent.SafeToRetry() {
		return true
	}
	switch State(err) {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, a lock was not free
		return true
	}
	return false
}

// undone reports whether an error of COMMIT proves that nothing was committed. What a dying server says is no proof.
func (d Dialect) undone(err error) bool {
	if errors.Is(err, sql.ErrTxDone) {
		return true // it was rolled back before
	}
	if d == SQLite {
		var engine *sqlite.Error
		return errors.As(err, &engine) && engine.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	state := State(err)
	return state != "40003" && (strings.HasPrefix(state, "40") || strings.HasPrefix(state, "23") || strings.HasPrefix(state, "25"))
}
