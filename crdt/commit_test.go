package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSealDecodeRoundTrip(t *testing.T) {
	rep := ReplicaID{1}
	c := &Commit{Scope: Sales, Dot: Dot{rep, NewSeq(5, 2)}, Pred: NewSeq(5, 1), Prev: Hash{9}, Stamp: Stamp{true, 1234}, WallMS: 1200, Schema: 1,
		Pieces: []Piece{
			{Kind: KindItem, Type: "line", Object: ObjectID{1}, Raw: []byte{0x80}},
			{Kind: KindRegister, Type: "line", Object: ObjectID{1}, Name: "loc", Raw: []byte{0x80}, Clock: Clock{{ReplicaID{2}, 7}}},
			{Kind: KindItem, Type: "receipt", Object: ObjectID{3}, Raw: []byte("doc"), Objects: []TypedObjects{{"line", []ObjectID{{1}, {2}}}},
				Registers: []RegisterUpTo{{"discount", ObjectID{4}, "value", Clock{{ReplicaID{2}, 7}}}}, Erases: TypedObject{"customer", ObjectID{8}}},
		}}
	require.NoError(t, c.Seal())
	d, err := DecodeCommit(c.Bytes())
	require.NoError(t, err)
	require.Equal(t, c.Hash(), d.Hash())
	require.Equal(t, c.Pieces[1].Clock, d.Pieces[1].Clock)
	require.Equal(t, c.Pieces[2].Objects, d.Pieces[2].Objects)
	require.Equal(t, c.Pieces[2].Registers, d.Pieces[2].Registers)
	require.Equal(t, c.Pieces[2].Erases, d.Pieces[2].Erases)
	require.Equal(t, c.Stamp, d.Stamp)
	require.Equal(t, c.WallMS, d.WallMS)
	t.Log(len(c.Bytes()))
}

func BenchmarkDecode(b *testing.B) {
	c := &Commit{Scope: Catalog, Dot: Dot{ReplicaID{1}, NewSeq(5, 2)}, Pred: NewSeq(5, 1), Prev: Hash{9}, Stamp: Stamp{true, 1234}, WallMS: 1200, Schema: 1}
	for i := range 64 {
		for _, n := range []string{"names", "codes", "place", "price/2026-01-01"} {
			c.Pieces = append(c.Pieces, Piece{Kind: KindRegister, Type: "article", Object: ObjectID{byte(i)}, Name: n, Raw: make([]byte, 40)})
		}
	}
	if err := c.Seal(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(c.Bytes())))
	for b.Loop() {
		if _, err := DecodeCommit(c.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
