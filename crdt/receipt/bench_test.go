package receipt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func BenchmarkCanonical8Lines(b *testing.B) {
	d := sample(b, 1, 8)
	doc, err := d.Canonical()
	require.NoError(b, err)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Canonical(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse8Lines(b *testing.B) {
	d := sample(b, 1, 8)
	doc, err := d.Canonical()
	require.NoError(b, err)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipt.ParseDocument(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTotals8Lines(b *testing.B) {
	d := sample(b, 1, 8)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.FillTotals(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign8Lines(b *testing.B) {
	d := sample(b, 1, 8)
	doc, err := d.Canonical()
	require.NoError(b, err)
	for b.Loop() {
		if _, err := receipt.Sign(deviceKey, doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyChain measures one receipt of 8 lines of a chain.
func BenchmarkVerifyChain(b *testing.B) {
	previous := receipt.First(crdt.ShopID{1, 2, 3}, tillID(), "K2")
	docs := make([]receipt.Signed, 200)
	for i := range docs {
		docs[i] = signed(b, sample(b, int64(i+1), 8), previous)
		previous = receipt.Hash(docs[i].Document)
	}
	b.ReportAllocs()
	for done := 0; done < b.N; done += len(docs) {
		r, err := receipt.VerifyChain(input(docs[:min(len(docs), b.N-done)]), expected())
		if err != nil || !r.OK() {
			b.Fatal(err, r.Findings)
		}
	}
}
