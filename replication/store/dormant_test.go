package store_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The first half of SHA-256 over the key and the value of the row: "x", scope 2, "line", a zero byte, the object; an array of
// the version and the item that closed it.
const goldenDormant = "d34548312de89ab2199244717993c542"

// closing is a line and what closes it, with the key of the row that the line leaves behind.
func closing(t *testing.T) (line, close *crdt.Commit, dormant []byte) {
	t.Helper()
	seal := func(k uint32, prev crdt.Hash, p crdt.Piece) *crdt.Commit {
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: runner, Seq: crdt.NewSeq(1, k)}, Prev: prev, Pieces: []crdt.Piece{p}}
		if k > 1 {
			c.Pred = crdt.NewSeq(1, k-1)
		}
		require.NoError(t, c.Seal())
		return c
	}
	line = seal(1, crdt.Hash{}, crdt.Piece{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{1}, Raw: []byte("line")})
	close = seal(2, line.Hash(), crdt.Piece{Kind: crdt.KindItem, Type: "close", Object: crdt.ObjectID{2}, Raw: []byte("close"),
		Objects: []crdt.TypedObjects{{Type: "line", IDs: []crdt.ObjectID{{1}}}}})
	return line, close, append(append(crdt.Catalog.AppendKey([]byte{'x'}), "line\x00"...), append([]byte{1}, make([]byte, 15)...)...)
}

func rowAt(disk *memory.Disk, kind byte) (value []byte) {
	disk.Rows(func(r rows.Row) bool {
		if r.Key[0] == kind {
			value = r.Value
		}
		return value == nil
	})
	return value
}

// TestTheSumOverDormantRows: it is kept in the row of the digest, it is missed when a row is lost, and a repair brings the
// row back.
func TestTheSumOverDormantRows(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	line, end, dormant := closing(t)
	apply := func(op replication.Op) {
		_, err := s.Apply(ctx, []replication.Op{op})
		require.NoError(t, err)
	}
	apply(replication.Op{Commit: line})
	require.Len(t, rowAt(disk, 'd'), 16, "nothing is dormant")
	apply(replication.Op{Commit: end})
	row := rowAt(disk, 'd')
	require.Len(t, row, 32)
	require.Equal(t, goldenDormant, hex.EncodeToString(row[16:]), "the sum of stores on disk")
	whole := rowAt(disk, 'x')

	require.NoError(t, s.Close())
	disk.Damage([]rows.Write{{Key: dormant, Delete: true}})
	s = openOn(t, disk)
	f := sums(t, s, func() {})
	require.Equal(t, f.Kept, f.Objects)
	require.Equal(t, f.Kept, f.Commits, "no digest misses it")
	require.NotEqual(t, f.KeptDormant, f.Dormant)
	damage, err := s.Audit(ctx, replication.AuditRead{What: replication.ReadDamage, Scope: crdt.Catalog})
	require.NoError(t, err)
	require.Equal(t, [][]byte{end.Bytes()}, damage.Raw, "what closed it")
	apply(replication.Op{Recount: crdt.Catalog})
	require.Len(t, rowAt(disk, 'd'), 16)
	apply(replication.Op{Commit: end, Repair: true})
	require.Equal(t, whole, rowAt(disk, 'x'))
	require.Equal(t, row, rowAt(disk, 'd'))
	f = sums(t, s, func() {})
	require.Equal(t, f.KeptDormant, f.Dormant)
	_, err = s.Apply(ctx, []replication.Op{{Commit: line}})
	require.NoError(t, err)
	require.Nil(t, rowAt(disk, 'l'))
	require.Equal(t, row, rowAt(disk, 'd'), "the line stays dead")
}

// TestADigestRowOfAnotherLength is damage.
func TestADigestRowOfAnotherLength(t *testing.T) {
	for _, n := range []int{0, 15, 17, 31, 33} {
		disk := memory.NewDisk()
		disk.Damage([]rows.Write{{Key: crdt.Catalog.AppendKey([]byte{'d'}), Value: make([]byte, n)}})
		r, err := disk.Open()
		require.NoError(t, err)
		_, err = store.Open(ctx, r)
		require.ErrorContains(t, err, "digest row", "%d bytes", n)
		require.NoError(t, r.Close())
	}
}
