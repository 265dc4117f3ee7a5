package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

// Errors of this package. All are wrapped with what happened and where.
var (
	// ErrDamaged: the file is not what was written; the error says at which byte. Use another backup.
	ErrDamaged = blockfile.ErrDamaged
	// ErrNoBackup: the file is something else.
	ErrNoBackup = errors.New("this is no backup of a cloud")
	// ErrNewer: a newer program wrote the file. Update the program.
	ErrNewer = blockfile.ErrNewer
	// ErrChanged: the file is another one than was verified.
	ErrChanged = errors.New("the backup file changed while it was read: start again")
	// ErrNotEmpty: a backup is restored only into a database that holds nothing.
	ErrNotEmpty = errors.New("the database to restore into is not empty")
)

// Header says what a backup is of.
type Header struct {
	Cloud   crdt.TillID // ID of the key of the cloud
	Program string      // version of the program that wrote it
	Made    time.Time
	Schema  int64  // version of the tables
	Engine  string // sqlite or postgres
}

func (h Header) bytes() []byte {
	b := codec.AppendBytes(codec.AppendArray(nil, 5), h.Cloud[:])
	b = codec.AppendInt(codec.AppendString(b, h.Program), h.Made.UnixMilli())
	return codec.AppendString(codec.AppendInt(b, h.Schema), h.Engine)
}

func readHeader(plain []byte) (h Header, err error) {
	r := codec.NewReader(plain)
	more := r.ArrayOf(5)
	r.Fixed(h.Cloud[:])
	h.Program = r.String()
	h.Made = time.UnixMilli(r.Int()).UTC()
	h.Schema = r.Int()
	h.Engine = r.String()
	r.Skip(more)
	return h, damaged("header", r.Done())
}

func damaged(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%w: its %s cannot be read: %w", ErrDamaged, what, err)
	}
	return nil
}

// valueType is the type of a column.
type valueType uint8

// The types. Numbers are part of the format.
const (
	typeInteger valueType = 1
	typeBytes   valueType = 2
	typeText    valueType = 3
)

// column is one column of a table.
type column struct {
	name     string
	kind     valueType
	nullable bool // not in the file
}

// table is one table.
type table struct {
	name    string
	columns []column
}

func (t table) bytes() []byte {
	b := codec.AppendString(codec.AppendArray(nil, 2), t.name)
	b = codec.AppendArray(b, 2*len(t.columns))
	for _, c := range t.columns {
		b = codec.AppendUint(codec.AppendString(b, c.name), uint64(c.kind))
	}
	return b
}

// maxColumns bounds the columns of a table.
const maxColumns = 200

func readTable(plain []byte) (t table, err error) {
	r := codec.NewReader(plain)
	more := r.ArrayOf(2)
	t.name = r.String()
	n := r.Array()
	if n%2 != 0 || n == 0 || n > 2*maxColumns {
		r.Fail("%d columns", n/2)
	}
	for i := 0; i < n && r.Err() == nil; i += 2 {
		c := column{name: r.String(), kind: valueType(min(r.Uint(), 255))}
		if c.kind < typeInteger || c.kind > typeText {
			r.Fail("type %d", c.kind)
		}
		t.columns = append(t.columns, c)
	}
	r.Skip(more)
	return t, damaged("table", r.Done())
}

// same reports whether two tables have the same columns in the same order.
func (t table) same(o table) bool {
	if t.name != o.name || len(t.columns) != len(o.columns) {
		return false
	}
	for i, c := range t.columns {
		if c.name != o.columns[i].name || c.kind != o.columns[i].kind {
			return false
		}
	}
	return true
}

// appendRow appends the values of a row: int64, []byte, string, or nil.
func (t table) appendRow(b []byte, values []any) ([]byte, error) {
	b = codec.AppendArray(b, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			b = codec.AppendNil(b)
			continue
		case int64:
			if t.columns[i].kind == typeInteger {
				b = codec.AppendInt(b, v)
				continue
			}
		case []byte:
			if t.columns[i].kind == typeBytes {
				b = codec.AppendBytes(b, v)
				continue
			}
		case string:
			if t.columns[i].kind == typeText {
				b = codec.AppendString(b, v)
				continue
			}
		}
		return nil, fmt.Errorf("table %s, column %s: a value of type %T", t.name, t.columns[i].name, v)
	}
	return b, nil
}

// readRows reads the rows of a block. The values share plain.
func (t table) readRows(plain []byte, row func(values []any) error) error {
	r := codec.NewReader(plain)
	for range r.Array() {
		values := make([]any, len(t.columns))
		if n := r.Array(); n != len(values) {
			r.Fail("a row of %d values in a table of %d columns", n, len(values))
		}
		for i := 0; i < len(values) && r.Err() == nil; i++ {
			if r.Nil() {
				continue
			}
			switch t.columns[i].kind {
			case typeInteger:
				values[i] = r.Int()
			case typeBytes:
				values[i] = r.Bytes()
			default:
				values[i] = r.String()
			}
		}
		if r.Err() != nil {
			break
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return damaged("rows of table "+t.name, r.Done())
}

// ending is the last block.
type ending struct {
	blocks, tables uint64
	rows           int64
	sum            [32]byte
}

func (e ending) bytes() []byte {
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 4), e.blocks), e.tables)
	return codec.AppendBytes(codec.AppendInt(b, e.rows), e.sum[:])
}

func readEnding(plain []byte) (e ending, err error) {
	r := codec.NewReader(plain)
	more := r.ArrayOf(4)
	e.blocks, e.tables, e.rows = r.Uint(), r.Uint(), r.Int()
	r.Fixed(e.sum[:])
	r.Skip(more)
	return e, damaged("end", r.Done())
}
