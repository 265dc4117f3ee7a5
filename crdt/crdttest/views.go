package crdttest

import (
	"runtime/debug"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// views: what is shown depends on the merged object and on nothing else.
func (w *world) views() {
	ordered, other := apply(w.commits), apply(shuffled(w.rand, w.commits))
	for _, id := range w.objects {
		o := w.object(ordered, id)
		first := w.view(o, w.load(ordered))
		require.Equal(w.t, first, w.view(o, w.load(ordered)), "the same object viewed twice")
		require.Equal(w.t, first, w.view(w.object(other, id), w.load(other)), "the same object on another till")
	}
}

// view calls View, checks that it changed nothing and turns a panic into a failure that shows the object.
func (w *world) view(o *crdt.Object, load func(crdt.Ref) []byte) (v any) {
	w.t.Helper()
	before := dumpObject(o)
	defer func() {
		if p := recover(); p != nil {
			w.t.Fatalf("View panicked: %v\n%s\n%s", p, dumpObject(o), debug.Stack())
		}
	}()
	v = w.doc.View(o, load)
	require.Equal(w.t, before, dumpObject(o), "View changed the object")
	return v
}

// hostileViews: values that no honest till wrote must not stop the program.
func (w *world) hostileViews() {
	var values [][]byte
	for _, c := range w.commits {
		for i := range c.Pieces {
			if c.Pieces[i].Type == w.doc.Name {
				values = append(values, c.Pieces[i].Raw)
			}
		}
	}
	w.view(new(crdt.Object), func(crdt.Ref) []byte { return nil })
	w.view(&crdt.Object{Gone: true}, func(crdt.Ref) []byte { return nil })
	for range 150 {
		o := new(crdt.Object)
		for k := range w.rand.IntN(3) * w.rand.IntN(2) {
			o.Items = append(o.Items, crdt.Copy{Ref: w.ref(k), Hash: [16]byte(w.bytes(16))})
		}
		for _, name := range w.names() {
			r := crdt.Register{Name: name, Clock: crdt.Clock{{Replica: crdt.ReplicaID{1}, Seq: 1}}}
			for k := range w.rand.IntN(3) {
				s := crdt.Sibling{Ref: w.ref(k), Raw: w.spoiled(values), Erased: w.rand.IntN(8) == 0}
				if s.Erased {
					s.Raw = nil
				}
				r.Siblings = append(r.Siblings, s)
			}
			o.Registers = append(o.Registers, r)
		}
		item := w.spoiled(values)
		w.view(o, func(crdt.Ref) []byte { return item })
	}
}

func (w *world) ref(k int) crdt.Ref {
	return crdt.Ref{Origin: crdt.Origin{Dot: crdt.Dot{Replica: crdt.ReplicaID{byte(k + 1)}, Seq: 1}}, Piece: k}
}

// names returns some register names of the type, sorted, and some it could be tricked with.
func (w *world) names() (names []string) {
	for _, n := range append([]string{"~unknown"}, w.doc.Registers...) {
		if w.rand.IntN(4) == 0 {
			continue
		}
		if strings.HasSuffix(n, "/") {
			n += []string{"", "x", "2026-01-01", "9999-99-99", "\xff", "a/b"}[w.rand.IntN(6)]
		}
		names = append(names, n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// spoiled returns one of the values, whole or damaged, or something else altogether.
func (w *world) spoiled(values [][]byte) []byte {
	if len(values) == 0 {
		return w.bytes(w.rand.IntN(30))
	}
	v := slices.Clone(values[w.rand.IntN(len(values))])
	switch w.rand.IntN(7) {
	case 0:
		return nil
	case 1:
		return w.bytes(w.rand.IntN(60))
	case 2:
		return v[:w.rand.IntN(len(v)+1)]
	case 3:
		for range 1 + w.rand.IntN(3) {
			if len(v) > 0 {
				v[w.rand.IntN(len(v))] ^= byte(1 << w.rand.IntN(8))
			}
		}
	case 4, 5:
		return w.mistyped(v)
	}
	return v
}

// mistyped keeps the fields of a record and gives some of them values of another type or size.
func (w *world) mistyped(v []byte) []byte {
	record, err := crdt.ParseRecord(v, 1<<31)
	if err != nil {
		return v
	}
	for _, key := range record.Keys() {
		switch w.rand.IntN(9) {
		case 0:
			record.SetRaw(key, codec.AppendInt(nil, int64(w.rand.Uint64())))
		case 1:
			record.SetRaw(key, codec.AppendUint(nil, 1<<64-1))
		case 2:
			record.SetRaw(key, codec.AppendBytes(nil, w.bytes(w.rand.IntN(40))))
		case 3:
			record.SetRaw(key, codec.AppendString(nil, "\xff\xfe"))
		case 4:
			record.SetRaw(key, codec.AppendArray(nil, 0))
		case 5:
			record.SetRaw(key, newValue())
		}
	}
	if w.rand.IntN(6) == 0 {
		record.RequireReader(1 << 31)
	}
	return record.Bytes()
}
