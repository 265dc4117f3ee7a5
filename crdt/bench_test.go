package crdt

import "testing"

// articles returns a commit of 64 articles with four registers each, as an import makes them.
func articles() *Commit {
	c := &Commit{Scope: Catalog, Dot: Dot{ReplicaID{1}, NewSeq(5, 2)}, Pred: NewSeq(5, 1), Prev: Hash{9},
		Stamp: Stamp{true, 1234}, WallMS: 1200, Schema: 1}
	for i := range 64 {
		for _, n := range []string{"names", "codes", "place", "price/2026-01-01"} {
			c.Pieces = append(c.Pieces, Piece{Kind: KindRegister, Type: "article", Object: ObjectID{byte(i)}, Name: n,
				Raw: make([]byte, 40)})
		}
	}
	return c
}

func BenchmarkDecode(b *testing.B) {
	c := articles()
	if err := c.Seal(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(c.Bytes())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCommit(c.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	c := articles()
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
