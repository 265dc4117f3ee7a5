package document_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// drink is a register and an item made up for these tests.
type drink struct{ Name string }

func (d drink) Check() error { return rules.CheckText("name", d.Name, 10) }

func (d drink) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("n", d.Name) })
}

func (d drink) Bytes() []byte { return record(func(rec *crdt.Record) { rec.SetString("n", d.Name) }) }

func parseDrink(raw []byte) (drink, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "drink", drink{f.Text("n")})
}

func readDrink(register string, raw []byte) (any, error) {
	if register == "later" {
		return nil, nil
	}
	return document.Typed(parseDrink(raw))
}

var id = crdt.ObjectID{9}

// order is one write of the till that replica stands for.
func order(obj *crdt.Object, replica byte, register string, raw []byte, seen crdt.Clock) {
	dot := crdt.Dot{Replica: crdt.ReplicaID{replica}, Seq: crdt.NewSeq(1, uint32(replica))}
	obj.Apply(crdt.Origin{Dot: dot, Stamp: crdt.Stamp{MS: int64(replica)}}, 0, &crdt.Piece{
		Kind: crdt.KindRegister, Type: "order", Object: id, Name: register, Clock: seen.With(dot), Raw: raw,
	})
}

func TestPutWritesOnlyWhatChanges(t *testing.T) {
	obj := new(crdt.Object)
	held := record(func(rec *crdt.Record) { rec.SetString("n", "tea"); rec.SetString("later", "kept") })
	order(obj, 1, "first", held, nil)
	order(obj, 2, "broken", []byte("no record"), nil)

	tests := []struct {
		name    string
		put     func(*document.Writer)
		resolve []string
		want    string // the register written, empty if none
	}{
		{"the same", func(w *document.Writer) { w.Put("first", drink{"tea"}) }, nil, ""},
		{"the same, dated", func(w *document.Writer) { w.PutDated("first", drink{"tea"}) }, nil, ""},
		{"the same, to be resolved", func(w *document.Writer) { w.Put("first", drink{"tea"}) }, []string{"first"}, "first"},
		{"another", func(w *document.Writer) { w.Put("first", drink{"coffee"}) }, nil, "first"},
		{"defaults where nobody wrote", func(w *document.Writer) { w.Put("new", drink{}) }, nil, ""},
		{"defaults where nobody wrote, dated", func(w *document.Writer) { w.PutDated("new", drink{}) }, nil, "new"},
		{"over what is no record", func(w *document.Writer) { w.Put("broken", drink{"tea"}) }, nil, "broken"},
		{"defaults over what is no record", func(w *document.Writer) { w.Put("broken", drink{}) }, nil, "broken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := rules.Writer("order", id, obj, test.resolve...)
			test.put(w)
			pieces, err := w.Done()
			require.NoError(t, err)
			if test.want == "" {
				require.Empty(t, pieces)
				return
			}
			require.Len(t, pieces, 1)
			p := pieces[0]
			require.Equal(t, crdt.KindRegister, p.Kind)
			require.Equal(t, "order", p.Type)
			require.Equal(t, id, p.Object)
			require.Equal(t, test.want, p.Name)
			require.Equal(t, obj.Seen(test.want), p.Clock)
			if test.want == "first" {
				require.Equal(t, "kept", rules.Parse(p.Raw).Text("later"))
			}
		})
	}
}

func TestWriterOfANewObject(t *testing.T) {
	w := rules.Writer("order", id, nil)
	require.False(t, w.Written("first"))
	w.Item(drink{"tea"})
	w.Put("first", drink{"coffee"})
	pieces, err := w.Done()
	require.NoError(t, err)
	require.Equal(t, []crdt.Piece{
		{Kind: crdt.KindItem, Type: "order", Object: id, Raw: drink{"tea"}.Bytes()},
		{Kind: crdt.KindRegister, Type: "order", Object: id, Name: "first", Raw: drink{"coffee"}.Bytes()},
	}, pieces)

	obj := new(crdt.Object)
	order(obj, 1, "first", drink{"tea"}.Bytes(), nil)
	require.True(t, rules.Writer("order", id, obj).Written("first"))
}

func TestWriterTellsAllProblemsAtOnce(t *testing.T) {
	obj := new(crdt.Object)
	order(obj, 1, "newer", record(func(rec *crdt.Record) { rec.RequireReader(2) }), nil)
	mine := errors.New("a reason of the caller")
	w := rules.Writer("order", id, obj)
	w.Put("good", drink{"tea"})
	w.Put("bad", drink{"a drink with a name"})
	w.Put("newer", drink{"tea"})
	w.Item(drink{"\x00"})
	w.Fail(mine)
	pieces, err := w.Done()
	require.Empty(t, pieces)
	require.ErrorIs(t, err, errRules)
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
	require.ErrorIs(t, err, mine)
	for _, want := range []string{"write order " + id.String(), `register "bad"`, `register "newer"`, "U+0000"} {
		require.ErrorContains(t, err, want)
	}
}

func TestConflictsAreWhatTillsSayDifferently(t *testing.T) {
	obj := new(crdt.Object)
	order(obj, 1, "agreed", drink{"tea"}.Bytes(), nil)
	order(obj, 2, "agreed", drink{"tea"}.Bytes(), nil)
	order(obj, 1, "alone", drink{"tea"}.Bytes(), nil)
	order(obj, 1, "apart", []byte("no record"), nil)
	order(obj, 2, "apart", drink{"coffee"}.Bytes(), nil)
	order(obj, 1, "later", drink{"tea"}.Bytes(), nil)
	order(obj, 2, "later", drink{"coffee"}.Bytes(), nil)

	got := document.Conflicts(obj, readDrink)
	require.Len(t, got, 2)
	require.Equal(t, "apart", got[0].Register)
	require.Len(t, got[0].Values, 2)
	shown, other := got[0].Values[0], got[0].Values[1]
	require.Equal(t, crdt.ReplicaID{2}, shown.Dot.Replica)
	require.Equal(t, int64(2), shown.Stamp.MS)
	require.Equal(t, drink{"coffee"}, shown.Value)
	require.Equal(t, drink{"coffee"}.Bytes(), shown.Raw)
	require.NoError(t, shown.Err)
	require.Error(t, other.Err)
	require.Nil(t, other.Value)
	require.Equal(t, "later", got[1].Register)
	require.Nil(t, got[1].Values[0].Value)
	require.NoError(t, got[1].Values[0].Err)

	require.Empty(t, document.Conflicts(nil, readDrink))
	require.True(t, document.Agree(nil))
	require.False(t, document.Agree(obj.Get("apart").Siblings))
}

func TestShownIsTheFirstOfTheSiblings(t *testing.T) {
	obj := new(crdt.Object)
	order(obj, 1, "first", drink{"tea"}.Bytes(), nil)
	order(obj, 1, "broken", []byte("no record"), nil)
	var errs []error
	require.Equal(t, drink{"tea"}, document.Collect(obj, "first", parseDrink, &errs))
	require.Zero(t, document.Collect(obj, "absent", parseDrink, &errs))
	require.Zero(t, document.Collect(nil, "first", parseDrink, &errs))
	require.Empty(t, errs)
	require.Zero(t, document.Collect(obj, "broken", parseDrink, &errs))
	require.Len(t, errs, 1)
	require.ErrorContains(t, errs[0], `register "broken": drink: `)
}
