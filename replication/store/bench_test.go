package store_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// engines are what the benchmarks run on: memory shows the rules alone, Badger what a till does.
var engines = []struct {
	name string
	open func(*testing.B) rows.Store
}{
	{"memory", func(b *testing.B) rows.Store {
		s, err := memory.NewDisk().Open()
		require.NoError(b, err)
		return s
	}},
	{"badger", func(b *testing.B) rows.Store {
		s, _, err := badger.Open(badger.Options{Dir: b.TempDir()})
		require.NoError(b, err)
		return s
	}},
}

// onEngines runs a benchmark on an empty store of every engine.
func onEngines(b *testing.B, f func(*testing.B, *store.Store)) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s, err := store.Open(ctx, e.open(b))
			require.NoError(b, err)
			b.ReportAllocs()
			f(b, s)
			require.NoError(b, s.Close())
		})
	}
}

var benchWriter = crdt.ReplicaID{7}

// benchCommit is the n-th commit of the writer, n from 1.
func benchCommit(b *testing.B, scope crdt.Scope, n int, pieces []crdt.Piece) *crdt.Commit {
	c := &crdt.Commit{
		Scope: scope, Dot: crdt.Dot{Replica: benchWriter, Seq: crdt.NewSeq(1, uint32(n))}, Prev: crdt.Hash{1},
		Stamp: crdt.Stamp{Trusted: true, MS: int64(n)}, WallMS: int64(n), Schema: 1, Pieces: pieces,
	}
	if n > 1 {
		c.Pred = c.Dot.Seq - 1
	}
	require.NoError(b, c.Seal())
	return c
}

func benchObject(n int) (id crdt.ObjectID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9e3779b97f4a7c15)
	id[15] = 1
	return id
}

// benchLine is a commit that adds the n-th line to a tab: an item and its location.
func benchLine(b *testing.B, n int) *crdt.Commit {
	return benchCommit(b, crdt.Sales, n, []crdt.Piece{
		{Kind: crdt.KindItem, Type: "line", Object: benchObject(n), Raw: make([]byte, 170)},
		{Kind: crdt.KindRegister, Type: "line", Object: benchObject(n), Name: "loc", Raw: make([]byte, 21)},
	})
}

// benchArticles is a commit that writes 64 articles with four registers each, as an import does.
func benchArticles(b *testing.B, n int) *crdt.Commit {
	var pieces []crdt.Piece
	for i := range crdt.MaxObjects {
		for _, name := range []string{"codes", "names", "place", "price/2026-01-01"} {
			pieces = append(pieces, crdt.Piece{Kind: crdt.KindRegister, Type: "article", Object: benchObject(n*crdt.MaxObjects + i),
				Name: name, Raw: make([]byte, 32)})
		}
	}
	return benchCommit(b, crdt.Catalog, n, pieces)
}

// BenchmarkApplyLine applies a commit that adds one line, in a transaction of its own and with 63 others.
func BenchmarkApplyLine(b *testing.B) {
	for _, together := range []int{1, 64} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			onEngines(b, func(b *testing.B, s *store.Store) {
				n := 0
				for b.Loop() {
					ops := make([]replication.Op, together)
					for i := range ops {
						n++
						ops[i] = replication.Op{Commit: benchLine(b, n), Own: true}
					}
					if _, err := s.Apply(ctx, ops); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/line")
			})
		})
	}
}

// BenchmarkApplyArticles applies what a join brings: batches of commits of 64 new articles.
func BenchmarkApplyArticles(b *testing.B) {
	onEngines(b, func(b *testing.B, s *store.Store) {
		n := 0
		for b.Loop() {
			b.StopTimer()
			ops := make([]replication.Op, 16)
			for i := range ops {
				n++
				ops[i].Commit = benchArticles(b, n)
			}
			b.StartTimer()
			if _, err := s.Apply(ctx, ops); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*crdt.MaxObjects), "ns/article")
	})
}

// BenchmarkLive streams a scope of 25,600 articles as the answer to a join does.
func BenchmarkLive(b *testing.B) {
	onEngines(b, func(b *testing.B, s *store.Store) {
		for n := 1; n <= 400; n++ {
			_, err := s.Apply(ctx, []replication.Op{{Commit: benchArticles(b, n)}})
			require.NoError(b, err)
		}
		want := s.Contexts()[crdt.Catalog]
		var bytes int64
		for b.Loop() {
			var at replication.Cursor
			bytes = 0
			for !at.Done {
				list, next, err := s.Live(ctx, crdt.Catalog, want, at, 256<<10)
				if err != nil {
					b.Fatal(err)
				}
				for _, c := range list {
					bytes += int64(len(c))
				}
				at = next
			}
		}
		b.SetBytes(bytes)
	})
}
