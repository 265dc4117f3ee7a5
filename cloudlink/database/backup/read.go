package backup

import (
	"context"
	"fmt"
	"io"

	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

// taker is called with what is in a backup. Both may be nil.
type taker struct {
	table func(table) error
	row   func(values []any) error // of the table before; values share memory that is used again
}

// Verify reads a backup to its end and makes sure that all of it is as it was written.
func Verify(ctx context.Context, r io.Reader) (Report, error) {
	report, err := read(ctx, r, taker{})
	if err != nil {
		return Report{}, fmt.Errorf("read the backup: %w", err)
	}
	return report, nil
}

// read reads a backup and hands out what is in it. What was handed out counts only if there was no error.
func read(ctx context.Context, r io.Reader, to taker) (Report, error) {
	b, err := blockfile.NewReader(r, format)
	if err != nil {
		return Report{}, err
	}
	defer b.Close()
	w := walk{blocks: b, to: to, report: Report{Rows: make(map[string]int64)}}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		sum, number, at := b.Sum(), b.Number(), b.Bytes()
		kind, plain, err := b.Next()
		if err != nil {
			return Report{}, err
		}
		if done, err = w.block(kind, plain, number, sum); err != nil {
			return Report{}, fmt.Errorf("block %d (%s) at byte %d: %w", number, format.Kinds[kind], at, err)
		}
	}
	if err := b.End(); err != nil {
		return Report{}, err
	}
	w.report.Bytes, w.report.SHA256 = b.Bytes(), b.Sum()
	return w.report, nil
}

// walk is the order in which blocks come.
type walk struct {
	blocks *blockfile.Reader
	to     taker
	report Report
	tables uint64
	rows   int64
	table  table
}

func (w *walk) block(kind byte, plain []byte, number uint32, sum [32]byte) (done bool, err error) {
	if (kind == kindHeader) != (number == 0) {
		return false, fmt.Errorf("%w: the header is not where it belongs", ErrDamaged)
	}
	switch kind {
	case kindHeader:
		w.report.Header, err = readHeader(plain)
		return false, err
	case kindTable:
		return false, w.begin(plain)
	case kindRows:
		if w.tables == 0 {
			return false, fmt.Errorf("%w: rows of no table", ErrDamaged)
		}
		return false, w.table.readRows(plain, func(values []any) error {
			w.rows++
			w.report.Rows[w.table.name]++
			if w.to.row == nil {
				return nil
			}
			return w.to.row(values)
		})
	}
	e, err := readEnding(plain)
	if err == nil && (e != ending{uint64(number), w.tables, w.rows, sum}) {
		err = fmt.Errorf("%w: its end does not fit what is before it", ErrDamaged)
	}
	return true, err
}

func (w *walk) begin(plain []byte) error {
	t, err := readTable(plain)
	if err != nil {
		return err
	}
	if w.tables > 0 && t.name <= w.table.name {
		return fmt.Errorf("%w: table %.40q comes after table %.40q", ErrDamaged, t.name, w.table.name)
	}
	w.table = t
	w.tables++
	w.report.Rows[t.name] = 0
	if w.to.table == nil {
		return nil
	}
	return w.to.table(t)
}
