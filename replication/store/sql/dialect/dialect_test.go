package dialect_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRebind(t *testing.T) {
	for statement, want := range map[string]string{
		"":                          "",
		"SELECT 1":                  "SELECT 1",
		"a = ? AND b = ?":           "a = $1 AND b = $2",
		"a = '?' AND b = ?":         "a = '?' AND b = $1",
		"a = 'it''s ?' AND b = ?":   "a = 'it''s ?' AND b = $1",
		`"what?" = ?`:               `"what?" = $1`,
		"-- why?\na = ? -- so?":     "-- why?\na = $1 -- so?",
		"a - ? --'\nAND b = ? - -?": "a - $1 --'\nAND b = $2 - -$3",
		"?????????? ?":              "$1$2$3$4$5$6$7$8$9$10 $11",
		"ä = ?":                     "ä = $1",
	} {
		require.Equal(t, want, dialect.Postgres.Rebind(statement))
		require.Equal(t, statement, dialect.SQLite.Rebind(statement))
	}
}

// state is an error with a SQLSTATE, as drivers of PostgreSQL give.
type state string

func (s state) Error() string    { return "the server says " + string(s) }
func (s state) SQLState() string { return string(s) }

type unsent struct{}

func (unsent) Error() string     { return "nothing was sent" }
func (unsent) SafeToRetry() bool { return true }

func TestErrorsOfPostgres(t *testing.T) {
	other := errors.New("other")
	for _, test := range []struct{ err, want error }{
		{state("53100"), rows.ErrFull},
		{state("XX001"), rows.ErrCorrupt},
		{state("57P01"), rows.ErrUnreachable},
		{state("08006"), rows.ErrUnreachable},
		{state("25P03"), rows.ErrUnreachable},
		{unsent{}, rows.ErrUnreachable},
		{io.ErrUnexpectedEOF, rows.ErrUnreachable},
		{driver.ErrBadConn, rows.ErrUnreachable},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, rows.ErrUnreachable},
		{context.DeadlineExceeded, rows.ErrUnreachable},
		{state("23505"), state("23505")},
		{other, other},
	} {
		wrapped := fmt.Errorf("do it: %w", test.err)
		got := dialect.Postgres.Map(wrapped)
		require.ErrorIs(t, got, test.want)
		require.ErrorIs(t, got, test.err, "the cause stays")
		require.Equal(t, got, dialect.Postgres.Map(got), "once is enough")
		require.NotErrorIs(t, got, rows.ErrFailed)
	}
	require.NoError(t, dialect.Postgres.Map(nil))
	require.NotErrorIs(t, dialect.Postgres.Map(other), rows.ErrUnreachable)
	require.True(t, dialect.Postgres.Duplicate(fmt.Errorf("x: %w", state("23505"))))
	require.False(t, dialect.Postgres.Duplicate(state("23503")))
}

// endings is a driver whose transactions end as a test says.
type endings struct{ commit, rollback, statement error }

func (e endings) Connect(context.Context) (driver.Conn, error) { return e, nil }
func (e endings) Driver() driver.Driver                        { return nil }
func (e endings) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (e endings) Close() error                                 { return nil }
func (e endings) Begin() (driver.Tx, error)                    { return e, nil }
func (e endings) Commit() error                                { return e.commit }
func (e endings) Rollback() error                              { return e.rollback }
func (e endings) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, e.statement
}

// TestOutcomes: a transaction that may be there is told apart from one that is not.
func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name    string
		dialect dialect.Dialect
		engine  endings
		calls   int
		want    error
		unknown bool
	}{
		{"a server that ends at COMMIT", dialect.Postgres, endings{commit: state("57P01")}, 1, rows.ErrUnreachable, true},
		{"a full disk at COMMIT", dialect.Postgres, endings{commit: state("53100")}, 1, rows.ErrFull, true},
		{"a line that breaks at COMMIT", dialect.Postgres, endings{commit: io.ErrUnexpectedEOF}, 1, rows.ErrUnreachable, true},
		{"nobody knows", dialect.Postgres, endings{commit: state("40003")}, 1, state("40003"), true},
		{"a conflict at COMMIT", dialect.Postgres, endings{commit: state("40001")}, 6, state("40001"), false},
		{"a constraint at COMMIT", dialect.Postgres, endings{commit: state("23505")}, 1, state("23505"), false},
		{"a conflict before", dialect.Postgres, endings{statement: state("40P01")}, 6, state("40P01"), false},
		{"nothing was sent", dialect.Postgres, endings{statement: unsent{}}, 6, rows.ErrUnreachable, false},
		{"a line that breaks before", dialect.Postgres, endings{statement: io.EOF, rollback: io.EOF}, 1, rows.ErrUnreachable, false},
		{"SQLite at COMMIT", dialect.SQLite, endings{commit: errors.New("disk I/O error")}, 1, nil, true},
		{"SQLite undid it itself", dialect.SQLite, endings{statement: state("x"), rollback: errors.New("cannot rollback - no transaction is active")}, 1, state("x"), false},
		{"SQLite cannot undo it", dialect.SQLite, endings{statement: state("x"), rollback: errors.New("disk I/O error")}, 1, state("x"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := sql.OpenDB(test.engine)
			defer func() { require.NoError(t, db.Close()) }()
			calls := 0
			err := test.dialect.Transact(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
				calls++
				_, err := tx.ExecContext(ctx, "something")
				return err
			})
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			require.Equal(t, test.unknown, errors.Is(err, rows.ErrFailed), "%v", err)
			require.Equal(t, test.calls, calls)
		})
	}
}

// TestTryingAgainEnds: a context that is done ends it between two attempts.
func TestTryingAgainEnds(t *testing.T) {
	db := sql.OpenDB(endings{statement: state("40001")})
	defer func() { require.NoError(t, db.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := dialect.Postgres.Transact(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		cancel()
		require.NoError(t, ctx.Err(), "an attempt goes on to its end")
		_, err := tx.ExecContext(ctx, "something")
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
}

func TestSQLiteIsLocked(t *testing.T) {
	name := "file:" + filepath.Join(t.TempDir(), "db") + "?_txlock=immediate&_pragma=busy_timeout(1)"
	open := func() *sql.DB {
		db, err := sql.Open("sqlite", name)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	first, second := open(), open()
	tx, err := first.Begin()
	require.NoError(t, err)
	nothing := func(context.Context, *sql.Tx) error { return nil }
	err = dialect.SQLite.Transact(t.Context(), second, nothing)
	require.ErrorIs(t, err, rows.ErrInUse)
	require.NotErrorIs(t, err, rows.ErrFailed)
	require.NoError(t, tx.Rollback())
	require.NoError(t, dialect.SQLite.Transact(t.Context(), second, nothing))
	var now int64
	require.NoError(t, first.QueryRow(`SELECT `+dialect.SQLite.Now()).Scan(&now))
	require.Greater(t, now, int64(1_700_000_000_000))
}
