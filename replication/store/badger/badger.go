// Package badger is the storage port on Badger: the store of a till.
//
// Commits are synced by Badger itself (SyncWrites). Rows stay inline in the LSM tree unless a
// value has 1 MiB or more. The options are those of a small machine: see Options.
//
// # What Badger cannot say
//
// Badger can open with data silently missing (a truncated MANIFEST, a damaged memtable
// log), can take the process down while it opens (a truncated table), and dies of SIGBUS on a full
// disk. So the caller compares its own sequences with a high-water record after every open (package
// highwater), calls Verify, looks at datadir.OpenReport, and keeps the disk from filling.
package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dgraph-io/badger/v4"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// Format is the format number of stores written by this program.
//
//	1  keys and values as given; the row 0x00 "format" holds this number as big endian uint16
const Format = 1

const engine = "badger"

var formatKey = []byte("\x00format")

// DefaultMemTableSize makes the largest batch 1.12 MB: a commit of 1 MiB with what belongs to it. Badger holds up to three
// of them, and takes four times as much to write one, so it is no larger than that.
const DefaultMemTableSize = 7<<20 + 128<<10

// Options says where the store is and how much memory it may take.
type Options struct {
	// Dir is the directory of the store, created if missing. Nothing else may be in it.
	Dir string
	// Log gets what Badger has to say: errors, warnings, and its news at level debug. Nil drops it.
	Log *slog.Logger
	// MemTableSize in bytes; zero means DefaultMemTableSize, which is also the least. Up to three times of it is held in
	// memory while writing; 15 % of it is the largest batch. More of it makes a large import write fewer files.
	MemTableSize int64
}

// Store is the port on Badger.
type Store struct {
	db                *badger.DB
	dir               *datadir.Dir
	gate              rows.Gate
	maxBytes, maxRows int
}

var _ rows.Store = (*Store)(nil)

// Open opens the store in o.Dir or begins a new one. The report tells about earlier attempts also
// if this one fails. Errors: rows.ErrInUse, rows.ErrNewerFormat (nothing was changed), rows.ErrCorrupt, rows.ErrFull.
func Open(o Options) (*Store, datadir.OpenReport, error) {
	dir, report, err := datadir.Enter(o.Dir, engine, Format)
	if err != nil {
		return nil, report, err
	}
	s, err := open(o, dir)
	if err != nil {
		return nil, report, fmt.Errorf("open the store in %s: %w", o.Dir, errors.Join(err, dir.Leave()))
	}
	return s, report, nil
}

func open(o Options, dir *datadir.Dir) (*Store, error) {
	if err := keepOrphans(o); err != nil && o.Log != nil {
		o.Log.Warn("tables that the store does not know could not be set aside", "error", err) // a store that opens matters more
	}
	if err := removeEmptyLogs(o); err != nil {
		return nil, err
	}
	db, err := badger.Open(badgerOptions(o))
	if err != nil {
		return nil, mapOpenError(err)
	}
	s := &Store{
		db: db, dir: dir,
		// A transaction adds a row of its own, and both limits are exclusive.
		maxBytes: int(db.MaxBatchSize()) - 64,
		maxRows:  int(db.MaxBatchCount()) - 3,
	}
	if err = s.checkFormat(o.Dir); err == nil {
		err = dir.Opened()
	}
	if err != nil {
		return nil, errors.Join(err, mapError(db.Close()))
	}
	return s, nil
}

func badgerOptions(o Options) badger.Options {
	var log badger.Logger
	if o.Log != nil {
		log = logger{o.Log}
	}
	opts := badger.DefaultOptions(o.Dir).
		WithLogger(log).
		WithSyncWrites(true).
		WithDetectConflicts(false). // one writer, which never reads in its transaction
		WithMemTableSize(max(o.MemTableSize, DefaultMemTableSize)).
		WithNumMemtables(1). // that wait while one is written; with 0 a writer could wait for ever
		// A compaction builds up to ten tables at once, each in two to four times its size.
		WithBaseTableSize(512 << 10).
		WithBlockSize(16 << 10). // compresses better than 4 kB: less to map and to index
		WithValueLogFileSize(16 << 20).
		WithBlockCacheSize(4 << 20).
		WithIndexCacheSize(2 << 20).
		WithNumCompactors(2).
		// An import of 50 MB ends before its first compaction, and nobody waits for one that keeps up.
		WithNumLevelZeroTables(8).
		WithNumLevelZeroTablesStall(16).
		WithNumGoroutines(2).
		WithMetricsEnabled(false)
	opts.TableSizeMultiplier = 1
	return opts
}

// checkFormat compares the format row, or writes it first into a new store. It is the second check: datadir
// did the first before Badger touched anything.
func (s *Store) checkFormat(path string) error {
	var have []byte
	empty := true
	err := s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(formatKey)
		if err == nil {
			have, err = item.ValueCopy(nil)
			return err
		}
		if !errors.Is(err, badger.ErrKeyNotFound) {
			return err
		}
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		it.Rewind()
		empty = !it.Valid()
		return nil
	})
	switch {
	case err != nil:
		return mapError(err)
	case have == nil && !empty:
		return fmt.Errorf("%w: it has rows but no format number: rebuild it from peers or a backup", rows.ErrCorrupt)
	case have == nil:
		return mapError(s.db.Update(func(txn *badger.Txn) error {
			return txn.Set(formatKey, binary.BigEndian.AppendUint16(nil, Format))
		}))
	case len(have) != 2:
		return fmt.Errorf("%w: its format number has %d bytes: rebuild it from peers or a backup", rows.ErrCorrupt, len(have))
	}
	return datadir.CheckNumber(path, int(binary.BigEndian.Uint16(have)), Format)
}

// reading runs a call that reads tables. Badger panics on a damaged one; that becomes rows.ErrCorrupt.
func (s *Store) reading(ctx context.Context, call func() error) error {
	return s.gate.Read(ctx, func() (err error) {
		defer func() {
			if recover() != nil {
				// What was recovered may hold data, so it is not shown.
				err = fmt.Errorf("%w (%w)", errTable, rows.ErrFailed)
			}
		}()
		return call()
	})
}

// view runs a read-only transaction.
func (s *Store) view(ctx context.Context, read func(*badger.Txn) error) error {
	return s.reading(ctx, func() error { return mapError(s.db.View(read)) })
}

// Load is a method of rows.Store.
func (s *Store) Load(ctx context.Context, keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	err := rows.CheckKeys(keys)
	if err == nil {
		err = s.view(ctx, func(txn *badger.Txn) error {
			for i, key := range keys {
				item, err := txn.Get(key)
				if errors.Is(err, badger.ErrKeyNotFound) {
					continue
				}
				if err != nil {
					return err
				}
				// An empty value is a value, so it must not end as nil.
				if values[i], err = item.ValueCopy(make([]byte, 0, item.ValueSize())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(keys), err)
	}
	return values, nil
}

// Scan is a method of rows.Store.
func (s *Store) Scan(ctx context.Context, from, to []byte, limit, maxBytes int) ([]rows.Row, error) {
	if err := rows.CheckScan(limit, maxBytes); err != nil {
		return nil, err
	}
	if len(from) == 0 || from[0] == 0 {
		from = []byte{1} // before it are our own rows
	}
	var found []rows.Row
	err := s.view(ctx, func(txn *badger.Txn) error {
		var space arena
		it := txn.NewIterator(badger.IteratorOptions{}) // values are inline: fetching ahead only costs goroutines
		defer it.Close()
		size := 0
		for it.Seek(from); it.Valid() && len(found) < limit; it.Next() {
			item := it.Item()
			key := item.Key()
			if to != nil && bytes.Compare(key, to) >= 0 {
				return nil
			}
			if len(found)%256 == 255 && ctx.Err() != nil {
				return ctx.Err()
			}
			row := rows.Row{Key: space.copy(key)}
			if err := item.Value(func(value []byte) error { row.Value = space.copy(value); return nil }); err != nil {
				return err
			}
			size += len(row.Key) + len(row.Value)
			if maxBytes > 0 && size > maxBytes && len(found) > 0 {
				return nil
			}
			found = append(found, row)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return found, nil
}

// Commit is a method of rows.Store.
func (s *Store) Commit(ctx context.Context, batch []rows.Write) error {
	err := rows.CheckBatch(batch, s.maxBytes, s.maxRows)
	if err == nil {
		err = s.gate.Write(ctx, func() error { return s.write(batch) })
	}
	if err != nil {
		return fmt.Errorf("commit %d rows: %w", len(batch), err)
	}
	return nil
}

func (s *Store) write(batch []rows.Write) error {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	for i := range batch {
		var err error
		if w := &batch[i]; w.Delete {
			err = txn.Delete(w.Key)
		} else {
			err = txn.Set(w.Key, w.Value)
		}
		if err != nil {
			return mapError(err)
		}
	}
	if err := txn.Commit(); err != nil {
		// Badger may show rows whose sync failed, so nothing may be read any more either.
		return fmt.Errorf("%w: %w", rows.ErrFailed, mapError(err))
	}
	return nil
}

// Verify reads every table and compares its checksums. It returns rows.ErrCorrupt if one is wrong, and the store then refuses
// everything. It matters: without it Badger shows the rows of a damaged block, and those behind it, as missing,
// with no error. It takes about 15 ms per 100,000 small rows, runs beside other calls, and does not see the log of the
// newest rows or missing tables.
func (s *Store) Verify(ctx context.Context) error {
	err := s.reading(ctx, func() error {
		if err := s.db.VerifyChecksum(); err != nil {
			return fmt.Errorf("%w (%w): %w", errTable, rows.ErrFailed, engineError{err})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify the store: %w", err)
	}
	return nil
}

// MaxBatch is a method of rows.Store.
func (s *Store) MaxBatch() (bytes, rows int) { return s.maxBytes, s.maxRows }

// Close is a method of rows.Store. It writes what is in memory into a table, which takes up to about 0.6 s.
func (s *Store) Close() error {
	return s.gate.Close(func() error {
		if err := errors.Join(mapError(s.db.Close()), s.dir.Leave()); err != nil {
			return fmt.Errorf("close the store: %w", err)
		}
		return nil
	})
}

// arena copies many small slices into few allocations.
type arena struct{ free []byte }

func (a *arena) copy(b []byte) []byte {
	if len(b) > cap(a.free) {
		a.free = make([]byte, 0, max(32<<10, len(b)))
	}
	a.free = append(a.free[:0], b...)
	out := a.free[:len(b):len(b)]
	a.free = a.free[len(b):]
	return out
}
