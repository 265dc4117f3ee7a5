package database

import (
	"context"
	"crypto/rand"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// Migrations are those of this program.
func Migrations() fs.FS { return migrations }

// OpenWith is Open for a program with other migrations.
func OpenWith(ctx context.Context, o Options, m fs.FS) (*DB, error) {
	o.Random = rand.Reader
	return open(ctx, o, migrationFiles{m})
}

// LimitPages makes a SQLite database full at a number of pages.
func (d *DB) LimitPages(t *testing.T, pages string) {
	t.Helper()
	_, err := d.write.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages)
	require.NoError(t, err)
}

// Parse reads the address of a database.
func Parse(dsn string) (host, name, user string, conns int, err error) {
	c, conns, err := parse(dsn)
	if err != nil {
		return "", "", "", 0, err
	}
	return c.Host, c.Database, c.User, conns, nil
}
