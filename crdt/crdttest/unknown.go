package crdttest

import (
	"math"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// newField is a field that no document type has; newer programs may add any.
const newField = "~new"

// newValue is its value: something nested that no field of today looks like.
func newValue() []byte {
	b := codec.AppendMap(nil, 2)
	b = codec.AppendBytes(codec.AppendString(b, "k"), []byte{1, 2, 3})
	return codec.AppendNil(codec.AppendInt(codec.AppendArray(codec.AppendString(b, "n"), 2), -7))
}

// unknownFields: what a newer program put into a record travels through this one, and an edit by this one keeps it.
func (w *world) unknownFields() {
	id := crdt.ObjectID(w.bytes(16))
	newer, older := w.addTill(), w.addTill()
	for range 5 {
		w.writes(newer, id, "")
	}
	for i := range w.object(newer.state, id).Registers {
		r := &w.object(newer.state, id).Registers[i]
		if len(r.Siblings) == 0 {
			continue
		}
		record, err := crdt.ParseRecord(r.Siblings[0].Raw, math.MaxUint32)
		require.NoError(w.t, err, "the value of register %q is not a record", r.Name)
		record.SetRaw(newField, newValue())
		c := w.commit(newer, []crdt.Piece{{
			Kind: crdt.KindRegister, Type: w.doc.Name, Object: id, Name: r.Name, Clock: r.Clock, Raw: record.Bytes(),
		}})
		older.state.Merge(newer.state)
		require.Equal(w.t, record.Bytes(), w.object(older.state, id).Value(c.Pieces[0].Name), "the value must not change")
		w.view(w.object(older.state, id), w.load(older.state))

		edit, at := w.writes(older, id, c.Pieces[0].Name)
		if edit == nil {
			continue // written once, never edited
		}
		edited, err := crdt.ParseRecord(edit.Pieces[at].Raw, math.MaxUint32)
		require.NoError(w.t, err)
		require.Equal(w.t, newValue(), edited.Raw(newField), "an edit of register %q lost a field it does not know",
			c.Pieces[0].Name)
		newer.state.Merge(older.state)
	}
}

// unknownForms: commits that carry more than this program knows keep their bytes and their meaning.
func (w *world) unknownForms() {
	longer := make([]*crdt.Commit, len(w.commits))
	for i, c := range w.commits {
		raw := lengthened(w, c.Bytes())
		kept := slices.Clone(raw)
		d, err := crdt.DecodeCommit(raw)
		require.NoError(w.t, err, "a commit with values this program does not know")
		require.Equal(w.t, kept, d.Bytes())
		require.NotEqual(w.t, c.Hash(), d.Hash(), "unknown values must be under the hash")
		require.Equal(w.t, meaning(c), meaning(d))
		longer[i] = d
	}
	s := apply(shuffled(w.rand, longer))
	require.Equal(w.t, dump(model(longer)), dump(s))

	foreign := w.foreign()
	s.Merge(apply(shuffled(w.rand, foreign)))
	require.Equal(w.t, dump(model(append(longer, foreign...))), dump(s))
	for _, c := range foreign {
		if live := s.Commits[c.Scope][c.Dot]; live != nil {
			again, err := crdt.DecodeCommit(slices.Clone(live.Commit.Bytes()))
			require.NoError(w.t, err)
			require.Equal(w.t, c.Bytes(), again.Bytes())
			require.Equal(w.t, c.Hash(), again.Hash())
		}
	}
}

// foreign returns commits of a scope and document type nobody has heard of, with values that are not even records.
func (w *world) foreign() (commits []*crdt.Commit) {
	scope := crdt.Scope{Kind: 99, Owner: crdt.TillID(w.bytes(32))}
	replica := crdt.ReplicaID(w.bytes(16))
	var seen crdt.Clock
	var last crdt.Seq
	for k := range uint32(5) {
		c := &crdt.Commit{Scope: scope, Dot: crdt.Dot{Replica: replica, Seq: crdt.NewSeq(1, k+1)}, Pred: last, Schema: 900,
			Pieces: []crdt.Piece{
				{Kind: crdt.KindRegister, Type: "~type", Object: crdt.ObjectID{1}, Name: "~register", Clock: seen,
					Raw: w.bytes(w.rand.IntN(50))},
				{Kind: crdt.KindItem, Type: "~type", Object: crdt.ObjectID(w.bytes(16)), Raw: w.bytes(w.rand.IntN(50)),
					Salt: w.bytes(crdt.SaltSize)},
			}}
		require.NoError(w.t, c.Seal())
		d, err := crdt.DecodeCommit(slices.Clone(c.Bytes()))
		require.NoError(w.t, err)
		require.Equal(w.t, c.Bytes(), d.Bytes())
		require.Equal(w.t, c.Hash(), d.Hash())
		last, seen = c.Dot.Seq, crdt.Clock{c.Dot}
		commits = append(commits, d)
	}
	return commits
}

// lengthened appends a value to the head and to every piece key that may grow, as a newer program would.
func lengthened(w *world, raw []byte) []byte {
	r := codec.NewReader(raw)
	r.ArrayOf(2)
	out := codec.AppendArray(nil, 2)
	out = longerArray(out, r.Raw(), 0)
	n := r.Array()
	out = codec.AppendArray(out, n)
	for range n {
		r.ArrayOf(3)
		key := r.Bytes()
		// A key ends with what its kind defines; only what comes after all of that is new.
		k := codec.NewReader(key)
		k.Array()
		known := 6
		if k.Uint() == uint64(crdt.KindRegister) {
			known = 5
		}
		out = codec.AppendArray(out, 3)
		out = codec.AppendBytes(out, longerArray(nil, key, known))
		out = append(append(out, r.Raw()...), r.Raw()...)
	}
	require.NoError(w.t, r.Done())
	return out
}

// longerArray appends an array with one more element than it has, if it already has as many as are known.
func longerArray(b, array []byte, known int) []byte {
	r := codec.NewReader(array)
	n := r.Array()
	if n < known {
		return append(b, array...)
	}
	b = codec.AppendArray(b, n+1)
	return append(append(b, array[r.Offset():]...), newValue()...)
}

// meaning is what a program of today reads from a commit.
func meaning(c *crdt.Commit) crdt.Commit {
	m := crdt.Commit{Scope: c.Scope, Dot: c.Dot, Pred: c.Pred, Prev: c.Prev, Stamp: c.Stamp, WallMS: c.WallMS, Schema: c.Schema}
	for _, p := range c.Pieces {
		m.Pieces = append(m.Pieces, crdt.Piece{
			Kind: p.Kind, Type: p.Type, Object: p.Object, Name: p.Name, Clock: p.Clock, Objects: p.Objects,
			Registers: p.Registers, Erases: p.Erases, Salt: p.Salt, Raw: p.Raw, Erased: p.Erased, Digest: p.Digest,
		})
	}
	return m
}
