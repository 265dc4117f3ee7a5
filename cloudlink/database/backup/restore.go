package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Restore makes the database of a backup that Verify accepted: r is the same file again. The database has to be empty; after an error it still
// is. ErrNotEmpty, ErrNewer, ErrChanged, database.ErrNewerSchema if the database was made by a newer program than the backup: then
// name a new one.
func Restore(ctx context.Context, r io.Reader, o database.Options, verified Report) error {
	if err := restore(ctx, r, o, verified); err != nil {
		return fmt.Errorf("restore the backup: %w", err)
	}
	// From here on it is a cloud's database; this brings its tables up to date.
	db, err := database.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("open the restored database: %w", err)
	}
	if id := db.Installation().ID; id != verified.Cloud {
		err = fmt.Errorf("%w: the database is of cloud %s, the backup of %s", ErrDamaged, id, verified.Cloud)
	}
	return errors.Join(err, db.Close())
}

func restore(ctx context.Context, r io.Reader, o database.Options, verified Report) (err error) {
	db, err := database.OpenAt(ctx, o, verified.Schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if have, err := db.SchemaVersion(ctx); err != nil || have != verified.Schema {
		return errors.Join(err, fmt.Errorf("%w: its tables have version %d, this program knows up to %d", ErrNewer, verified.Schema, have))
	}
	// One transaction, however long: half a cloud must not be started.
	write, _ := db.Pools()
	tx, err := write.BeginTx(ctx, nil)
	if err != nil {
		return db.Dialect().Map(err)
	}
	l := loader{tx: db.In(tx)}
	if err := l.load(ctx, r, verified); err != nil {
		return db.Dialect().Map(errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return db.Dialect().Map(err)
	}
	return nil
}

// loader fills the tables.
type loader struct {
	tx     *database.Tx
	tables []table

	table table
	skip  bool // the table stays empty
	key   int  // column of the keys of stores; -1: not this table
	args  []any
	rows  int
	bytes int
}

// left are the tables that a restored cloud begins without.
var left = []string{"servers", "sessions", "replies", "coupling_nonces"}

func (l *loader) load(ctx context.Context, r io.Reader, verified Report) error {
	if err := endless(ctx, l.tx); err != nil {
		return err
	}
	var err error
	if l.tables, err = tables(ctx, l.tx); err != nil {
		return err
	}
	if err := l.empty(ctx); err != nil {
		return err
	}
	report, err := read(ctx, r, taker{table: func(t table) error { return l.begin(ctx, t, verified.Schema) }, row: func(v []any) error { return l.row(ctx, v) }})
	if err == nil && report.SHA256 != verified.SHA256 {
		err = ErrChanged
	}
	if err == nil {
		err = l.flush(ctx)
	}
	if err == nil {
		_, err = l.tx.Exec(ctx, `UPDATE seats SET server = '', epoch = epoch + 1`)
	}
	return err
}

// empty makes sure that the database holds nothing, and takes the key away that it drew when it was new.
func (l *loader) empty(ctx context.Context) error {
	for _, t := range l.tables {
		if t.name == "installation" {
			continue
		}
		var n int64
		if err := l.tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM "`+t.name+`" LIMIT 1) AS found`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: there is something in its table %s", ErrNotEmpty, t.name)
		}
	}
	_, err := l.tx.Exec(ctx, `DELETE FROM installation`)
	return err
}

func (l *loader) begin(ctx context.Context, t table, schema int64) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(l.tables, t.same) {
		return fmt.Errorf("%w: version %d of the tables has no table %.40q with these columns", ErrDamaged, schema, t.name)
	}
	l.table, l.skip = t, slices.Contains(left, t.name)
	l.key = -1
	if t.name == "rows" {
		l.key = slices.IndexFunc(t.columns, func(c column) bool { return c.name == "key" })
	}
	return nil
}

// batchRows and batchBytes bound one statement.
const (
	batchRows  = 100
	batchBytes = 2 << 20
)

func (l *loader) row(ctx context.Context, values []any) error {
	if l.skip {
		return nil
	}
	if l.key >= 0 {
		if key, ok := values[l.key].([]byte); ok && store.IsIdentity(key) {
			return nil
		}
	}
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			l.bytes += len(v)
			l.args = append(l.args, append(make([]byte, 0, len(v)), v...))
		case string:
			l.bytes += len(v)
			l.args = append(l.args, v)
		default:
			l.args = append(l.args, v)
		}
	}
	if l.rows++; l.rows >= batchRows || l.bytes >= batchBytes {
		return l.flush(ctx)
	}
	return nil
}

// flush writes the rows that were gathered.
func (l *loader) flush(ctx context.Context) error {
	if l.rows == 0 {
		return nil
	}
	names := make([]string, len(l.table.columns))
	for i, c := range l.table.columns {
		names[i] = `"` + c.name + `"`
	}
	places := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	_, err := l.tx.Exec(ctx, `INSERT INTO "`+l.table.name+`" (`+strings.Join(names, ", ")+`) VALUES `+places+strings.Repeat(", "+places, l.rows-1), l.args...)
	clear(l.args)
	l.args, l.rows, l.bytes = l.args[:0], 0, 0
	if err != nil {
		return fmt.Errorf("table %s: %w", l.table.name, err)
	}
	return nil
}
