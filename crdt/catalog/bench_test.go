package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// FuzzParse holds that foreign bytes are refused or understood the same after writing them back.
func FuzzParse(f *testing.F) {
	for _, s := range samples {
		raw, err := s.value.Edit(nil)
		require.NoError(f, err)
		f.Add(raw)
	}
	parsers := []func([]byte) (any, error){
		into(catalog.ParseNames), into(catalog.ParseCodes), into(catalog.ParsePlace), into(catalog.ParseGroupPlace),
		into(catalog.ParsePrice), into(catalog.ParseDeposit), into(catalog.ParseLife), into(catalog.ParseRate),
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range parsers {
			v, err := parse(raw)
			if err != nil {
				continue
			}
			require.NoError(t, v.(editable).Check())
			again, err := v.(editable).Edit(raw)
			require.NoError(t, err)
			back, err := parse(again)
			require.NoError(t, err)
			third, err := back.(editable).Edit(again)
			require.NoError(t, err)
			require.Equal(t, again, third)
		}
	})
}

func BenchmarkViewArticle(b *testing.B) {
	obj := benchObject(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalog.ViewArticle(obj); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEditArticle(b *testing.B) {
	obj, e := benchObject(b), full(310)
	b.ReportAllocs()
	for b.Loop() {
		if pieces, err := catalog.EditArticle(espresso, obj, e); err != nil || len(pieces) != 1 {
			b.Fatal(len(pieces), err)
		}
	}
}

func BenchmarkNewArticle(b *testing.B) {
	e := full(290)
	b.ReportAllocs()
	for b.Loop() {
		if pieces, err := catalog.EditArticle(espresso, nil, e); err != nil || len(pieces) != 6 {
			b.Fatal(len(pieces), err)
		}
	}
}

func benchObject(b *testing.B) *crdt.Object {
	b.Helper()
	pieces, err := catalog.EditArticle(espresso, nil, full(290))
	require.NoError(b, err)
	obj := new(crdt.Object)
	for i := range pieces {
		p := &pieces[i]
		dot := crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, 1)}
		p.Clock = p.Clock.With(dot)
		obj.Apply(crdt.Origin{Dot: dot}, i, p)
	}
	return obj
}
