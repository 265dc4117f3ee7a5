package crdt

import (
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

func FuzzDecodeCommit(f *testing.F) {
	for _, c := range []*Commit{settled(), commitOf(register(1, "names"), register(2, "names")), articles()} {
		if err := c.Seal(); err != nil {
			f.Fatal(err)
		}
		f.Add(c.Bytes())
		erased, err := c.Erase(0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(erased)
	}
	golden, err := filepath.Glob("../testdata/crdt/v1/commit-*.hex")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden commits: %v", err)
	}
	for _, path := range golden {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCommit(b)
		if err != nil {
			require.Nil(t, c)
			return
		}
		require.Equal(t, b, c.Bytes())
		for i := range c.Pieces {
			erased, err := c.Erase(i)
			require.NoError(t, err)
			d, err := DecodeCommit(erased)
			require.NoError(t, err)
			require.Equal(t, c.Hash(), d.Hash())
		}
		s := NewState()
		s.Apply(c)
		s.Apply(c)
		// What was read means the same when this program writes it.
		if slices.ContainsFunc(c.Pieces, func(p Piece) bool { return p.Erased }) || c.sealable() != nil {
			return
		}
		again := *c
		again.Pieces = slices.Clone(c.Pieces)
		if again.Seal() != nil {
			return // the shortest form of a name or number can only be shorter, but times may not be writable
		}
		d, err := DecodeCommit(again.Bytes())
		require.NoError(t, err)
		require.LessOrEqual(t, len(again.Bytes()), len(b))
		require.Equal(t, []any{c.Scope, c.Dot, c.Pred, c.Prev, c.Stamp, c.WallMS, c.Schema, len(c.Pieces)},
			[]any{d.Scope, d.Dot, d.Pred, d.Prev, d.Stamp, d.WallMS, d.Schema, len(d.Pieces)})
		for i := range c.Pieces {
			p, q := c.Pieces[i], d.Pieces[i]
			require.Equal(t, []any{p.Kind, p.Type, p.Object, p.Name, p.Erases, p.Digest, string(p.Raw), len(p.Objects), len(p.Registers)},
				[]any{q.Kind, q.Type, q.Object, q.Name, q.Erases, q.Digest, string(q.Raw), len(q.Objects), len(q.Registers)})
			require.True(t, p.Clock.Equal(q.Clock))
		}
	})
}

func FuzzReadContext(f *testing.F) {
	f.Add(Context{}.Append(nil))
	f.Add(Context{ReplicaID{1}: {{0, 5}, {9, 10}}, ReplicaID{2}: {{NewSeq(7, 0), NewSeq(7, 9)}}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := codec.NewReader(b)
		c := ReadContext(r)
		if r.Done() != nil {
			return
		}
		rd := codec.NewReader(c.Append(nil))
		back := ReadContext(rd)
		require.NoError(t, rd.Done())
		require.True(t, c.Equal(back))
		require.Empty(t, c.Minus(back))
		require.True(t, c.And(back).Equal(c))
		sum := make(Context)
		sum.AddAll(c)
		require.True(t, sum.Equal(c), "what is read is what Add would build")
	})
}

func FuzzParseRecord(f *testing.F) {
	var r Record
	r.SetString("n", "x")
	r.SetUint("a", 1)
	f.Add(r.Bytes())
	f.Add([]byte{0x82, 0xa1, 'b', 1, 0xa1, 'a', 0xd9, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b, math.MaxUint32)
		if err != nil {
			return
		}
		require.True(t, slices.IsSorted(r.Keys()))
		back, err := ParseRecord(r.Bytes(), math.MaxUint32)
		require.NoError(t, err)
		require.Equal(t, r.Keys(), back.Keys())
		for _, k := range r.Keys() {
			require.Equal(t, r.Raw(k), back.Raw(k))
		}
		require.Equal(t, r.Bytes(), back.Bytes())
		require.LessOrEqual(t, len(r.Bytes()), len(b))
		back.SetString("k", "edited")
		for _, k := range r.Keys() {
			if k != "k" {
				require.Equal(t, r.Raw(k), back.Raw(k))
			}
		}
	})
}
