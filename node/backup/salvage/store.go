package salvage

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Store is a directory of a Badger store that is read file by file. It is for one goroutine.
type Store struct {
	dir    string
	logs   []string
	tables []*table
	damage []string
	lost   int // damage beyond the list
}

// maxTables is how many files are kept open.
const maxTables = 20_000

// Open looks at the files of a store. What cannot be read is damage, not an error. Errors: there is no directory, or no
// store in it.
func Open(dir string) (*Store, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for a store: %w", err)
	}
	s := &Store{dir: dir}
	files := 0
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		switch filepath.Ext(e.Name()) {
		case ".mem":
			files++
			s.logs = append(s.logs, path)
		case ".sst":
			if files++; len(s.tables) >= maxTables {
				s.harm("%s is one file too many", e.Name())
				continue
			}
			t, err := openTable(path)
			if err != nil {
				s.harm("%s: %v", e.Name(), plain(err))
				continue
			}
			s.tables = append(s.tables, t)
		}
	}
	if files == 0 {
		return nil, fmt.Errorf("%s: there are no files of a store: %w", dir, fs.ErrNotExist)
	}
	return s, nil
}

// Damage lists, as sentences without data, what could not be read so far, and how much more there was than fits a list.
func (s *Store) Damage() (list []string, more int) { return slices.Clone(s.damage), s.lost }

const maxDamage = 200

func (s *Store) harm(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(s.damage, text):
	case len(s.damage) < maxDamage:
		s.damage = append(s.damage, text)
	default:
		s.lost++
	}
}

// plain is an error of the system without the path, which whoever reads it knows.
func plain(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// Close closes the files.
func (s *Store) Close() error {
	var errs []error
	for _, t := range s.tables {
		errs = append(errs, t.close())
	}
	s.tables = nil
	return errors.Join(errs...)
}

// Rows returns the rows whose keys begin with prefix, in the order of keys, each in its newest version that can be read. It
// holds what the logs have of them, at most a few MiB, and a block of every table. The error is that of ctx.
func (s *Store) Rows(ctx context.Context, prefix []byte) iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		var m merge
		for _, src := range append(s.fromTables(prefix), s.fromLogs(prefix)) {
			if src.next() {
				m = append(m, src)
			}
		}
		heap.Init(&m)
		var last []byte
		for n := 0; len(m) > 0; n++ {
			if err := ctx.Err(); err != nil {
				yield(rows.Row{}, err)
				return
			}
			e := m[0].at
			if m[0].next() {
				heap.Fix(&m, 0)
			} else {
				heap.Pop(&m)
			}
			if n > 0 && bytes.Equal(e.key, last) {
				continue // an older version
			}
			last = e.key
			if e.meta&metaDelete != 0 {
				continue
			}
			if e.meta&metaPointer != 0 {
				value, err := readPointer(func(file uint32) string { return filepath.Join(s.dir, fmt.Sprintf("%06d.vlog", file)) }, e.value)
				if err != nil {
					s.harm("a long value: %v", plain(err))
					continue
				}
				e.value = value
			}
			if !yield(rows.Row{Key: e.key, Value: e.value}, nil) {
				return
			}
		}
	}
}

// source gives the entries of one file, or of all logs, in the order of keys and then from new to old.
type source struct {
	at   entry
	next func() bool // moves at; false at the end
}

func (s *Store) fromLogs(prefix []byte) *source {
	var list []entry
	for _, path := range s.logs {
		damage, err := readLog(path, func(e entry) {
			if bytes.HasPrefix(e.key, prefix) {
				e.key, e.value = bytes.Clone(e.key), bytes.Clone(e.value)
				list = append(list, e)
			}
		})
		if err != nil {
			s.harm("%s: %v", filepath.Base(path), plain(err))
		}
		for _, d := range damage {
			s.harm("%s: %s", filepath.Base(path), d)
		}
	}
	slices.SortStableFunc(list, compare)
	src := &source{}
	src.next = func() bool {
		if len(list) == 0 {
			return false
		}
		src.at, list = list[0], list[1:]
		return true
	}
	return src
}

func (s *Store) fromTables(prefix []byte) []*source {
	var out []*source
	for _, t := range s.tables {
		block := t.firstBlock(prefix)
		var list []entry
		src := &source{}
		src.next = func() bool {
			for {
				for len(list) > 0 {
					e := list[0]
					list = list[1:]
					if bytes.HasPrefix(e.key, prefix) {
						src.at = e
						return true
					}
					if bytes.Compare(e.key, prefix) > 0 {
						return false
					}
				}
				if block >= len(t.blocks) || bytes.Compare(t.blocks[block].first, prefix) > 0 && !bytes.HasPrefix(t.blocks[block].first, prefix) {
					return false
				}
				var err error
				if list, err = t.read(block); err != nil {
					s.harm("%s, block %d of %d: %s", t.name(), block+1, len(t.blocks), strings.TrimSpace(plain(err).Error()))
				}
				block++
			}
		}
		out = append(out, src)
	}
	return out
}

func compare(a, b entry) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	switch {
	case a.version > b.version:
		return -1
	case a.version < b.version:
		return 1
	}
	return 0
}

// merge is a heap of sources by what they stand at.
type merge []*source

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return compare(m[i].at, m[j].at) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*source)) }
func (m *merge) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
