package crdt

import "testing"

// BenchmarkSeal encodes and hashes a commit of 64 articles with four registers each.
func BenchmarkSeal(b *testing.B) {
	c := &Commit{Scope: Catalog, Dot: Dot{ReplicaID{1}, NewSeq(5, 2)}, Pred: NewSeq(5, 1), Prev: Hash{9}, Schema: 1}
	for i := range 64 {
		for _, n := range []string{"names", "codes", "place", "price/2026-01-01"} {
			c.Pieces = append(c.Pieces, Piece{Kind: KindRegister, Type: "article", Object: ObjectID{byte(i)}, Name: n,
				Raw: make([]byte, 40)})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range c.Pieces {
			c.Pieces[i].Clock = nil
		}
		if err := c.Seal(); err != nil {
			b.Fatal(err)
		}
	}
}
