package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication/store/blockfile"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// About is what a backup says about its making.
type About struct {
	Program string // version of the program
	Now     time.Time
}

// Report is what is in a backup.
type Report struct {
	Header
	Bytes  int64
	SHA256 [32]byte         // of the file
	Rows   map[string]int64 // by table
}

// Write writes a backup of one moment, while servers go on. It holds one block in memory. On PostgreSQL tables cannot be changed by a migration
// meanwhile; on SQLite the log of the database grows by what is written meanwhile.
func Write(ctx context.Context, w io.Writer, db *database.DB, about About) (Report, error) {
	out, err := blockfile.NewWriter(w, format)
	if err != nil {
		return Report{}, fmt.Errorf("write the backup: %w", err)
	}
	x := writer{out: out, report: Report{Rows: make(map[string]int64)}}
	if err := errors.Join(x.write(ctx, db, about), out.Close()); err != nil {
		return Report{}, fmt.Errorf("write the backup: %w", err)
	}
	x.report.Bytes, x.report.SHA256 = out.Bytes(), out.Sum()
	return x.report, nil
}

type writer struct {
	out    *blockfile.Writer
	report Report
	total  int64
}

func (x *writer) write(ctx context.Context, db *database.DB, about About) error {
	schema, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	x.report.Header = Header{Cloud: db.Installation().ID, Program: about.Program, Made: about.Now.UTC().Truncate(time.Millisecond), Schema: schema, Engine: string(db.Dialect())}
	if err := x.out.Block(kindHeader, x.report.Header.bytes()); err != nil {
		return err
	}
	return db.View(ctx, func(tx *database.Tx) error {
		if err := endless(ctx, tx); err != nil {
			return err
		}
		list, err := tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range list {
			if err := x.table(ctx, tx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
		}
		return x.out.Block(kindEnd, ending{uint64(x.out.Number()), uint64(len(list)), x.total, x.out.Sum()}.bytes())
	})
}

// endless lets a transaction stand still for longer than those of servers may: a slow disk on this side is no frozen server.
func endless(ctx context.Context, tx *database.Tx) error {
	if tx.Dialect() != dialect.Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`)
	return err
}

// table writes one table.
func (x *writer) table(ctx context.Context, tx *database.Tx, t table) error {
	if err := x.out.Block(kindTable, t.bytes()); err != nil {
		return err
	}
	x.report.Rows[t.name] = 0
	found, err := tx.Query(ctx, t.selection())
	if err != nil {
		return err
	}
	var block []byte
	rows := 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		err := x.out.Block(kindRows, append(codec.AppendArray(nil, rows), block...))
		x.total, x.report.Rows[t.name] = x.total+int64(rows), x.report.Rows[t.name]+int64(rows)
		block, rows = block[:0], 0
		return err
	}
	for found.Next() {
		if block, err = t.scan(found, block); err != nil {
			break
		}
		if rows++; len(block) >= target {
			if err = flush(); err != nil {
				break
			}
		}
	}
	if err = errors.Join(err, found.Err(), found.Close()); err != nil {
		return err
	}
	return flush()
}

// selection reads all columns, and of those that may be NULL whether they are: drivers give no bytes for both.
func (t table) selection() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `"%s"`, c.name)
		if c.nullable {
			fmt.Fprintf(&b, `, CASE WHEN "%s" IS NULL THEN 1 ELSE 0 END`, c.name)
		}
	}
	fmt.Fprintf(&b, ` FROM "%s"`, t.name)
	return b.String()
}

// scan appends the row that found stands on.
func (t table) scan(found *sql.Rows, block []byte) ([]byte, error) {
	values, nulls := make([]any, len(t.columns)), make([]int64, len(t.columns))
	var into []any
	for i, c := range t.columns {
		into = append(into, &values[i])
		if c.nullable {
			into = append(into, &nulls[i])
		}
	}
	if err := found.Scan(into...); err != nil {
		return nil, err
	}
	for i, c := range t.columns {
		switch {
		case nulls[i] == 1:
			values[i] = nil
		case values[i] == nil && c.kind == typeBytes:
			values[i] = []byte{}
		case values[i] == nil && c.kind == typeText:
			values[i] = ""
		}
	}
	return t.appendRow(block, values)
}

// kinds are the types that columns have: see the rules of package database.
var kinds = map[string]valueType{"BLOB": typeBytes, "BYTEA": typeBytes, "INTEGER": typeInteger, "BIGINT": typeInteger, "TEXT": typeText}

// tables returns the tables of the database in the order of their names, but for those that say how tables are kept.
func tables(ctx context.Context, tx *database.Tx) ([]table, error) {
	statement := `SELECT m.name, c.name, c.type, CASE WHEN c."notnull" = 0 THEN 1 ELSE 0 END FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.cid`
	if tx.Dialect() == dialect.Postgres {
		statement = `SELECT table_name, column_name, data_type, CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END FROM information_schema.columns
			WHERE table_schema = current_schema() ORDER BY table_name COLLATE "C", ordinal_position`
	}
	found, err := tx.Query(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var list []table
	for found.Next() {
		var name, typ string
		var c column
		if err = found.Scan(&name, &c.name, &typ, &c.nullable); err != nil {
			break
		}
		if name == "schema_version" || name == "schema_lock" {
			continue
		}
		if c.kind = kinds[strings.ToUpper(typ)]; c.kind == 0 {
			err = fmt.Errorf("column %s of table %s has the type %s, which no backup holds", c.name, name, typ)
			break
		}
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, table{name: name})
		}
		t := &list[len(list)-1]
		t.columns = append(t.columns, c)
	}
	if err = errors.Join(err, found.Err(), found.Close()); err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	// The same order on each engine, and a column that was added later in the same place.
	for _, t := range list {
		slices.SortFunc(t.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	}
	return list, nil
}
