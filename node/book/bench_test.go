package book_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

// sale makes commits without keeping a state beside them.
func sale(b *testing.B, seq uint32, pieces []crdt.Piece, err error) replication.Taken {
	require.NoError(b, err)
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, seq)}, Pieces: pieces}
	require.NoError(b, c.Seal())
	d, err := crdt.DecodeCommit(c.Bytes())
	require.NoError(b, err)
	return replication.Taken{Commit: d, Outcome: replication.Outcome{New: true, Live: true}}
}

func number(kind byte, n uint32) (id crdt.ObjectID) {
	id[0] = kind
	binary.BigEndian.PutUint32(id[12:], n)
	return id
}

func BenchmarkApplyLine(b *testing.B) {
	for _, open := range []uint32{10, 2000} {
		b.Run(fmt.Sprintf("%d open tabs", open), func(b *testing.B) {
			bk := book.New()
			seq := uint32(0)
			for i := range open {
				seq++
				pieces, err := receipt.EditTab(number(1, i), nil, receipt.TabEdit{Head: &receipt.Head{Name: "Tisch", OpenedMS: 1, Till: tillID}})
				bk.Apply([]replication.Taken{sale(b, seq, pieces, err)})
			}
			lines := make([]replication.Taken, 20_000)
			for i := range lines {
				seq++
				pieces, err := receipt.NewLine(number(2, uint32(i)), number(1, uint32(i)%open), line(i))
				lines[i] = sale(b, seq, pieces, err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.ReportAllocs()
			b.ResetTimer()
			n := min(b.N, len(lines))
			for i := range n {
				bk.Apply(lines[i : i+1])
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/line")
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(n), "B-kept/line")
			runtime.KeepAlive(bk)
			runtime.KeepAlive(lines)
		})
	}
}
