// Package dialect holds what differs between the SQL engines that rows rest on: how a statement is written, what an
// error means for who waits for the answer, and how a transaction is run to an end that is known.
//
// It imports no driver: errors of PostgreSQL are told by their SQLSTATE, which every driver offers.
package dialect

import (
	"strconv"
	"strings"
)

// Dialect is an engine. Everything that speaks the wire protocol of PostgreSQL is Postgres.
type Dialect string

// The engines.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Rebind rewrites a statement with the placeholder ? for the engine: $1, $2, … on PostgreSQL. A question mark in a
// quoted text, a quoted name or a comment of one line stays.
func (d Dialect) Rebind(statement string) string {
	if d != Postgres || !strings.Contains(statement, "?") {
		return statement
	}
	b := make([]byte, 0, len(statement)+16)
	n, within := 0, byte(0) // within: what ends the quoted part or comment
	for i := range len(statement) {
		c := statement[i]
		switch {
		case within != 0:
			if c == within {
				within = 0
			}
		case c == '\'' || c == '"':
			within = c
		case c == '-' && strings.HasPrefix(statement[i:], "--"):
			within = '\n'
		case c == '?':
			n++
			b = strconv.AppendInt(append(b, '$'), int64(n), 10)
			continue
		}
		b = append(b, c)
	}
	return string(b)
}

// Now is the expression for the time by the clock of the database, in Unix milliseconds.
func (d Dialect) Now() string {
	if d == Postgres {
		return `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	}
	return `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
}

// Among returns the end of a condition, behind the name of a column of bytes, with the placeholder ?: that it holds one of some values, of
// which there is at least one. args are what belongs to it. On PostgreSQL its text is the same for any number of values above one, so the
// server parses and plans it once.
func (d Dialect) Among(values [][]byte) (condition string, args []any) {
	if d == Postgres && len(values) > 1 {
		return `= ANY (?::BYTEA[])`, []any{values}
	}
	for _, value := range values {
		args = append(args, value)
	}
	return `IN (?` + strings.Repeat(`, ?`, len(values)-1) + `)`, args
}

// ForUpdate ends a SELECT whose rows must not be changed or locked by others until the transaction ends, ForShare one
// whose rows must not be changed. SQLite has one writer at a time, which is enough.
func (d Dialect) ForUpdate() string {
	if d == Postgres {
		return ` FOR UPDATE`
	}
	return ``
}

// ForShare is described at [Dialect.ForUpdate].
func (d Dialect) ForShare() string {
	if d == Postgres {
		return ` FOR SHARE`
	}
	return ``
}
