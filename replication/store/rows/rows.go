// Package rows is the storage port of replication: a sorted map from bytes to
// bytes that is read in sets and written in durable batches.
//
// It is shaped so that a log-structured engine (package store/badger), SQL
// (package store/sql) and memory (package store/memory) all fit it without
// translation. What the rows mean (keys, index, context, digest) is decided by
// the caller. Every adapter passes the suite in package store/storetest.
//
// # Keys and values
//
// A key has 1 to MaxKey bytes, compared byte by byte. Its first byte is neither
// 0x00 nor '!': engines keep rows of their own there, which no method shows. A
// value may be empty, which is not the same as missing, and as long as MaxBatch
// lets a batch be. Adapters keep no slice they were given and give away no slice
// they keep: callers may change both sides at any time after the call.
//
// # Concurrency
//
// All methods may be called at once. Commits are applied one after another;
// readers never wait for a commit and never see a part of one, nor one that is
// not durable yet. Close waits for the calls that run.
package rows

import (
	"context"
	"fmt"
)

// MaxKey is the longest key, in bytes.
const MaxKey = 1024

// Overhead is what each row of a batch counts besides its key and value, in bytes.
const Overhead = 16

// Row is one stored pair.
type Row struct{ Key, Value []byte }

// Write is one change of a batch: it sets Key to Value (nil counts as empty), or removes
// Key if Delete is set, which is no error if the key is missing.
type Write struct {
	Key, Value []byte
	Delete     bool
}

// Store is the port. A context that is done stops Load and Scan with its error;
// Commit looks at it only before it starts, so its outcome stays known.
type Store interface {
	// Load returns the values of keys in the order of keys, nil where the key is
	// missing, all as of one moment. A key may be asked for twice.
	Load(ctx context.Context, keys [][]byte) ([][]byte, error)

	// Scan returns rows in key order as of one moment, beginning with from (inclusive,
	// nil = the first) and ending before to (nil = the end). It returns at most limit
	// rows (at least 1 must be allowed) and stops before the row that would take the
	// keys and values together above maxBytes (0 = no such bound), but returns the first
	// row whatever its length. To go on, call it with the last key plus a zero byte: see Next.
	// The rows of one call may share memory, so keeping one of them can keep all.
	Scan(ctx context.Context, from, to []byte, limit, maxBytes int) ([]Row, error)

	// Commit applies a batch whole or not at all; it is on disk (fsync) when Commit
	// returns nil. Of several writes to a key the last one counts. After ErrTooLarge,
	// ErrBadKey, ErrClosed, the context's error, or ErrFull or ErrUnreachable without
	// ErrFailed nothing was written. After ErrFailed it is unknown whether the batch is
	// there, and the store refuses everything until it was closed and opened again. After
	// ErrFenced it refuses everything, too, and belongs to another server.
	Commit(ctx context.Context, batch []Write) error

	// MaxBatch returns the largest batch one Commit takes: bytes as counted by Size, and
	// rows. It never changes while the store is open.
	MaxBatch() (bytes, rows int)

	// Close ends the store. Other calls then return ErrClosed; a second Close returns nil.
	Close() error
}

// Size returns what one write counts towards the bytes of MaxBatch.
func (w Write) Size() int {
	if w.Delete {
		return len(w.Key) + Overhead
	}
	return len(w.Key) + len(w.Value) + Overhead
}

// Size returns what a batch counts towards the bytes of MaxBatch.
func Size(batch []Write) int {
	total := 0
	for i := range batch {
		total += batch[i].Size()
	}
	return total
}

// Next returns the smallest key after key: where a Scan goes on.
func Next(key []byte) []byte {
	next := make([]byte, len(key)+1)
	copy(next, key)
	return next
}

// CheckKeys is for adapters: it returns ErrBadKey if one of the keys breaks the rules above.
func CheckKeys(keys [][]byte) error {
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("key %d of %d: %w", i+1, len(keys), err)
		}
	}
	return nil
}

// CheckBatch is for adapters: it returns ErrBadKey or ErrTooLarge if the batch breaks the rules
// above or is larger than a store takes.
func CheckBatch(batch []Write, maxBytes, maxRows int) error {
	if len(batch) > maxRows {
		return fmt.Errorf("%w: %d rows, at most %d fit one commit: split it where it need not be atomic",
			ErrTooLarge, len(batch), maxRows)
	}
	if size := Size(batch); size > maxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d fit one commit: split it where it need not be atomic",
			ErrTooLarge, size, maxBytes)
	}
	for i := range batch {
		if err := checkKey(batch[i].Key); err != nil {
			return fmt.Errorf("write %d of %d: %w", i+1, len(batch), err)
		}
	}
	return nil
}

// CheckScan is for adapters: it returns an error if limit or maxBytes makes no sense.
func CheckScan(limit, maxBytes int) error {
	if limit < 1 || maxBytes < 0 {
		return fmt.Errorf("scan with limit %d and at most %d bytes: limit must be at least 1, bytes at least 0",
			limit, maxBytes)
	}
	return nil
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("%w: it is empty", ErrBadKey)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrBadKey, len(key), MaxKey)
	case key[0] == 0x00 || key[0] == '!':
		return fmt.Errorf("%w: its first byte 0x%02x is reserved", ErrBadKey, key[0])
	}
	return nil
}
