package sql

import (
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// manyRows is how many rows one statement of SQLite sets. More save nothing.
const manyRows = 32

// statements are the texts for a table of rows. Keys are compared byte by byte, as numbers.
type statements struct {
	set, setMany    string // [shop] key value, manyRows times | on PostgreSQL shop keys[] values[] epoch
	remove          string // [shop] key | keys[]
	get             string // [shop] key | keys[]
	scan, scanUntil string // [shop] from [to] limit

	bounded, boundedUntil string // PostgreSQL: and bytes
}

// between returns the statement of a scan on PostgreSQL.
func (s *statements) between(until, bounded bool) string {
	switch {
	case until && bounded:
		return s.boundedUntil
	case until:
		return s.scanUntil
	case bounded:
		return s.bounded
	}
	return s.scan
}

// directoryStatements are for the table rows (key, value) of a store of its own.
func directoryStatements() statements { return sqliteStatements("key, value", "?, ?", "key", "") }

// shopStatements are for the table rows (shop, key, value) of many shops.
func shopStatements(d dialect.Dialect) statements {
	if d == dialect.Postgres {
		return postgresStatements()
	}
	return sqliteStatements("shop, key, value", "?, ?, ?", "shop, key", "shop = ? AND ")
}

func sqliteStatements(columns, values, primary, mine string) statements {
	set := func(n int) string {
		list := strings.TrimSuffix(strings.Repeat("("+values+"), ", n), ", ")
		return fmt.Sprintf(`INSERT INTO rows (%s) VALUES %s ON CONFLICT (%s) DO UPDATE SET value = excluded.value`, columns, list, primary)
	}
	return statements{
		set:       set(1),
		setMany:   set(manyRows),
		remove:    `DELETE FROM rows WHERE ` + mine + `key = ?`,
		get:       `SELECT value FROM rows WHERE ` + mine + `key = ?`,
		scan:      `SELECT key, value FROM rows WHERE ` + mine + `key >= ? ORDER BY key LIMIT ?`,
		scanUntil: `SELECT key, value FROM rows WHERE ` + mine + `key >= ? AND key < ? ORDER BY key LIMIT ?`,
	}
}

func postgresStatements() statements {
	const scan = `SELECT key, value FROM rows WHERE shop = $1 AND key >= $2`
	// Whoever reads no further drains the connection, so the server has to stop where the bytes end.
	bounded := func(where string, limit, bytes int) string {
		return fmt.Sprintf(`SELECT key, value FROM (SELECT key, value, row_number() OVER w AS n, sum(octet_length(key) + octet_length(value)) OVER w AS size
			FROM rows WHERE shop = $1 AND key >= $2%s WINDOW w AS (ORDER BY key ROWS UNBOUNDED PRECEDING) ORDER BY key LIMIT $%d) AS found
			WHERE n = 1 OR size <= $%d ORDER BY key`, where, limit, bytes)
	}
	return statements{
		setMany: `WITH seat AS (SELECT 1 FROM seats WHERE shop = $1 AND epoch = $4 FOR SHARE)
			INSERT INTO rows (shop, key, value) SELECT $1, k, v FROM seat, unnest($2::BYTEA[], $3::BYTEA[]) AS new (k, v)
			ON CONFLICT (shop, key) DO UPDATE SET value = excluded.value`,
		remove:       `DELETE FROM rows WHERE shop = $1 AND key = ANY ($2::BYTEA[])`,
		get:          `SELECT key, value FROM rows WHERE shop = $1 AND key = ANY ($2::BYTEA[])`,
		scan:         scan + ` ORDER BY key LIMIT $3`,
		scanUntil:    scan + ` AND key < $3 ORDER BY key LIMIT $4`,
		bounded:      bounded(``, 3, 4),
		boundedUntil: bounded(` AND key < $3`, 4, 5),
	}
}
