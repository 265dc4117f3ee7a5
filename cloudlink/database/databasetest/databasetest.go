// Package databasetest gives tests a database on each engine: SQLite in a directory of the test, and a PostgreSQL server of
// their own where one is installed.
//
//	func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }
//
//	func TestIt(t *testing.T) {
//		databasetest.Each(t, func(t *testing.T, db *database.DB) { … })
//	}
//
// The server is started once per test program, by the first test that needs it, in a directory of its own, and answers
// only on a socket in there. Where PostgreSQL is not installed such tests say so and are skipped; with TILLMESH_REQUIRE=1 they fail.
package databasetest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// EnvRequire makes tests fail that would be skipped because something is not installed.
const EnvRequire = "TILLMESH_REQUIRE"

// Main runs the tests, stops the server if one was started, and checks that no goroutine is left but those that
// are ignored. It returns the exit code.
func Main(m *testing.M, ignored ...goleak.Option) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the PostgreSQL of the tests:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(ignored...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// Engine is one kind of database. New returns the options of an empty one.
type Engine struct {
	Name string
	New  func(t testing.TB) database.Options
}

// Engines are all that tests run on.
var Engines = []Engine{{"sqlite", SQLite}, {"postgres", Postgres}}

// Each runs a test on a new database of each engine.
func Each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) { test(t, Open(t, e.New(t))) })
	}
}

// SQLite names a new database in a directory of the test.
func SQLite(t testing.TB) database.Options { return database.Options{Dir: t.TempDir()} }

// Postgres names a new database on the server of this test program. It skips the test where there is none.
func Postgres(t testing.TB) database.Options {
	t.Helper()
	return database.Options{DSN: shared.get(t).Database(t)}
}

// Open opens a database, and closes it when the test ends.
func Open(t testing.TB, o database.Options) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
