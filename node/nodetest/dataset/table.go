package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// table says how one CSV file of the sets is written.
type table struct {
	path    string // relative to the folder of the sets; .gz is unpacked
	comma   rune
	columns []string // the exact head of the file
	cp1252  bool     // Windows-1252 instead of UTF-8
}

// record is one row and the line of the unpacked file it begins in, for messages.
type record struct {
	line   int
	fields []string
}

// rows reads the file row by row and ends after the first error. An empty line is no row, even before the head. The
// fields of a record are valid until the next one.
func (t table) rows(dir Dir) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		fail := func(err error) { yield(record{}, fmt.Errorf("read %s: %w", t.path, err)) }

		file, err := os.Open(filepath.Join(string(dir), filepath.FromSlash(t.path)))
		if err != nil {
			fail(err)
			return
		}
		defer file.Close() // only read from, nothing can be lost

		var raw io.Reader = file
		if strings.HasSuffix(t.path, ".gz") {
			if raw, err = gzip.NewReader(file); err != nil {
				fail(err)
				return
			}
		}
		if t.cp1252 {
			raw = transform.NewReader(raw, charmap.Windows1252.NewDecoder())
		}
		if raw, err = skipByteOrderMark(raw); err != nil {
			fail(err)
			return
		}

		reader := csv.NewReader(raw)
		reader.Comma = t.comma
		reader.ReuseRecord = true
		reader.FieldsPerRecord = len(t.columns)
		head, err := reader.Read()
		if err != nil {
			fail(fmt.Errorf("head: %w", err))
			return
		}
		if !slices.Equal(head, t.columns) {
			fail(fmt.Errorf("the columns are %q, expected %q", head, t.columns))
			return
		}
		for {
			fields, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				fail(err)
				return
			}
			line, _ := reader.FieldPos(0)
			if !yield(record{line: line, fields: fields}, nil) {
				return
			}
		}
	}
}

// at names a row of the file in an error.
func (t table) at(r record, err error) error {
	return fmt.Errorf("read %s line %d: %w", t.path, r.line, err)
}

func skipByteOrderMark(r io.Reader) (io.Reader, error) {
	const mark = "\uFEFF"
	buffered := bufio.NewReader(r)
	start, err := buffered.Peek(len(mark))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(start) == mark {
		if _, err := buffered.Discard(len(mark)); err != nil {
			return nil, err
		}
	}
	return buffered, nil
}
