//go:build bench

package scale

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/replication"
)

// bookkeeper is a till that exists in its store only.
func bookkeeper() (node.Identity, ed25519.PrivateKey) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return node.Identity{Shop: shopID, Till: crdt.TillIDOf(key.Public().(ed25519.PublicKey)), Replica: replicaOf(900), Prefix: "K1"}, key
}

// roomRows measure whether the room of what a closing supersedes comes back: tabs with lines and payments are really
// written, one commit each, and then closed.
func roomRows(t *testing.T, table *report) {
	tabs := sized(50_000, 500)
	who, key := bookkeeper()
	dir := t.TempDir()
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)

	var open []sale
	var ops []replication.Op
	fill(t, dir, who, key, func(b *books) error {
		return b.write(t.Context(), func() (replication.Op, bool, error) {
			if len(ops) == 0 && len(open) < tabs {
				s, err := b.sell(at)
				if err != nil {
					return replication.Op{}, false, err
				}
				ops, s.ops = s.ops, nil
				open = append(open, s)
			}
			if len(ops) == 0 {
				return replication.Op{}, false, nil
			}
			op := ops[0]
			ops = ops[1:]
			return op, true, nil
		})
	})
	full := sizeOf(t, dir)
	fullRows := flatten(t, dir)
	fullFlat := sizeOf(t, dir)
	began := time.Now()
	fill(t, dir, who, key, func(b *books) error {
		n := 0
		return b.write(t.Context(), func() (replication.Op, bool, error) {
			if n == len(open) {
				return replication.Op{}, false, nil
			}
			op, err := b.settle(open[n])
			n++
			return op, true, err
		})
	})
	took := time.Since(began)
	closed := sizeOf(t, dir)
	flatRows := flatten(t, dir)
	flat := sizeOf(t, dir)

	// What the receipts alone take.
	alone := t.TempDir()
	fill(t, alone, who, key, func(b *books) error {
		n := 0
		return b.write(t.Context(), func() (replication.Op, bool, error) {
			if n == len(open) {
				return replication.Op{}, false, nil
			}
			op, err := b.settle(open[n])
			n++
			return op, true, err
		})
	})
	aloneRows := flatten(t, alone)
	table.add(fmt.Sprintf("room: %d tabs of %d lines, open (%d commits)", tabs, linesPerTab, tabs*(linesPerTab+2)),
		fmt.Sprintf("%s as written; compacted %s, %d rows", figures.Megabytes(full), figures.Megabytes(fullFlat), fullRows), "-")
	table.add("  all closed, each with its receipt",
		fmt.Sprintf("%s as written (%s a closing in batches); compacted %s, %d rows", figures.Megabytes(closed), figures.Duration(took/time.Duration(tabs)),
			figures.Megabytes(flat), flatRows),
		fmt.Sprintf("the receipts alone, compacted: %s, %d rows", figures.Megabytes(sizeOf(t, alone)), aloneRows))
}

// fill opens the books of a till, lets f write and closes them.
func fill(t *testing.T, dir string, who node.Identity, key ed25519.PrivateKey, f func(*books) error) {
	t.Helper()
	b, _, err := openBooks(t.Context(), dir, who, key)
	require.NoError(t, err)
	require.NoError(t, f(b))
	require.NoError(t, b.close())
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	n, err := diskSize(filepath.Join(dir, "store"))
	require.NoError(t, err)
	return n
}

// flatten does at once what the engine does over time: it merges all tables into one level. It returns how many rows are
// there then, those that only say that a key was removed included.
func flatten(t *testing.T, dir string) (rows int) {
	t.Helper()
	o := bdgr.DefaultOptions(filepath.Join(dir, "store")).WithLogger(nil).WithBlockSize(16 << 10) // as a till's store has it
	db, err := bdgr.Open(o)
	require.NoError(t, err)
	require.NoError(t, db.Flatten(2))
	require.NoError(t, db.View(func(txn *bdgr.Txn) error {
		it := txn.NewIterator(bdgr.IteratorOptions{AllVersions: true})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			rows++
		}
		return nil
	}))
	require.NoError(t, db.Close())
	return rows
}
