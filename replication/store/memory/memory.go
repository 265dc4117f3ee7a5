package memory

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Store is the port on a Disk. Open one with Disk.Open or New.
type Store struct {
	disk   *Disk
	closed bool  // guarded by disk.mu
	failed error // guarded by disk.mu
}

var _ rows.Store = (*Store)(nil)

// now returns the rows of this moment.
func (s *Store) now(ctx context.Context) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return nil, err
	}
	return s.disk.written, nil
}

func (s *Store) usableLocked() error {
	if s.closed {
		return rows.ErrClosed
	}
	return s.failed
}

// Load is a method of rows.Store.
func (s *Store) Load(ctx context.Context, keys [][]byte) ([][]byte, error) {
	t, err := s.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(keys), err)
	}
	if err := rows.CheckKeys(keys); err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(keys), err)
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if value, found := t.get(key); found {
			values[i] = own(value)
		}
	}
	return values, nil
}

// Scan is a method of rows.Store.
func (s *Store) Scan(ctx context.Context, from, to []byte, limit, maxBytes int) ([]rows.Row, error) {
	t, err := s.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	if err := rows.CheckScan(limit, maxBytes); err != nil {
		return nil, err
	}
	var found []rows.Row
	size := 0
	t.from(from, func(row rows.Row) bool {
		size += len(row.Key) + len(row.Value)
		if to != nil && bytes.Compare(row.Key, to) >= 0 || len(found) > 0 && maxBytes > 0 && size > maxBytes {
			return false
		}
		found = append(found, rows.Row{Key: bytes.Clone(row.Key), Value: own(row.Value)})
		return len(found) < limit
	})
	return found, nil
}

// Commit is a method of rows.Store.
func (s *Store) Commit(ctx context.Context, batch []rows.Write) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit %d rows: %w", len(batch), err)
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return fmt.Errorf("commit %d rows: %w", len(batch), err)
	}
	if err := rows.CheckBatch(batch, maxBytes, maxRows); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if len(batch) == 0 {
		return nil
	}
	err := s.disk.commitLocked(batch)
	if err != nil {
		err = fmt.Errorf("commit %d rows: %w", len(batch), err)
		s.failed = rows.Failure(err)
	}
	return err
}

// MaxBatch is a method of rows.Store.
func (s *Store) MaxBatch() (bytes, rows int) { return maxBytes, maxRows }

// Close is a method of rows.Store. What the disk lied about is durable after it.
func (s *Store) Close() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.disk.open = nil
	s.disk.syncLocked()
	return nil
}
