package crdt

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

func TestRecordFields(t *testing.T) {
	var r Record
	require.Equal(t, []byte{0x80}, r.Bytes())
	r.SetString("n", "Käse")
	r.SetUint("u", math.MaxUint64)
	r.SetInt("i", math.MinInt64)
	r.SetBool("b", true)
	r.SetBinary("d", []byte{0, 1})
	r.SetObject("o", ObjectID{7})
	r.SetTill("t", TillID{8})

	back, err := ParseRecord(r.Bytes(), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"b", "d", "i", "n", "o", "t", "u"}, back.Keys())
	require.Equal(t, r.Bytes(), back.Bytes())
	s, err := back.String("n")
	require.NoError(t, err)
	require.Equal(t, "Käse", s)
	u, err := back.Uint("u")
	require.NoError(t, err)
	require.EqualValues(t, uint64(math.MaxUint64), u)
	i, err := back.Int("i")
	require.NoError(t, err)
	require.EqualValues(t, math.MinInt64, i)
	b, err := back.Bool("b")
	require.NoError(t, err)
	require.True(t, b)
	d, err := back.Binary("d")
	require.NoError(t, err)
	require.Equal(t, []byte{0, 1}, d)
	o, err := back.Object("o")
	require.NoError(t, err)
	require.Equal(t, ObjectID{7}, o)
	till, err := back.Till("t")
	require.NoError(t, err)
	require.Equal(t, TillID{8}, till)
}

// TestRecordZeroIsAbsent: equal records have equal bytes, so a zero value is never written.
func TestRecordZeroIsAbsent(t *testing.T) {
	var r Record
	for range 2 {
		r.SetString("a", "")
		r.SetUint("b", 0)
		r.SetInt("c", 0)
		r.SetBool("d", false)
		r.SetBinary("e", nil)
		r.SetObject("f", ObjectID{})
		r.SetTill("g", TillID{})
		require.Zero(t, r.Len())
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			r.SetRaw(key, []byte{1})
		}
		require.Equal(t, 7, r.Len())
	}
	var empty Record
	s, err := empty.String("a")
	require.NoError(t, err)
	require.Empty(t, s)
	id, err := empty.Object("a")
	require.NoError(t, err)
	require.True(t, id.IsZero())
	till, err := empty.Till("a")
	require.NoError(t, err)
	require.True(t, till.IsZero())
	raw, err := empty.Binary("a")
	require.NoError(t, err)
	require.Nil(t, raw)
}

// TestRecordKeepsUnknown: a program that knows one field edits it and leaves all others byte for byte.
func TestRecordKeepsUnknown(t *testing.T) {
	r := random(t)
	for range 300 {
		fields := map[string]msgpack.RawMessage{}
		for range r.IntN(30) {
			key := string(rune('a'+r.IntN(26))) + string(rune('a' + r.IntN(26)))[:r.IntN(2)]
			fields[key] = randomValue(r, 3)
		}
		raw := codec.AppendMap(nil, len(fields))
		for k, v := range fields { // in the map's own order: a foreign writer need not sort
			raw = append(codec.AppendString(raw, k), v...)
		}
		rec, err := ParseRecord(raw, 0)
		require.NoError(t, err)
		require.Equal(t, slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(fields)))), rec.Keys())
		before := rec.Bytes()
		edited := rec
		edited.SetString("k", "edited")
		require.Equal(t, before, rec.Bytes(), "a copy of a record may not write into it")

		back, err := ParseRecord(edited.Bytes(), 0)
		require.NoError(t, err)
		for k, v := range fields {
			if k != "k" {
				require.Equal(t, []byte(v), back.Raw(k))
			}
		}
		s, err := back.String("k")
		require.NoError(t, err)
		require.Equal(t, "edited", s)
		edited.SetRaw("k", fields["k"])
		require.Equal(t, before, edited.Bytes())

		var other map[string]msgpack.RawMessage
		require.NoError(t, msgpack.Unmarshal(before, &other))
		require.Equal(t, len(fields), len(other))
		for k := range fields {
			if fields[k][0] != 0xc0 { // it reads a nil as no bytes at all
				require.Equal(t, fields[k], other[k])
			}
		}
	}
}

func TestRecordRefuses(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing":           nil,
		"a number":          {1},
		"an array":          {0x90},
		"a number as key":   {0x81, 1, 1},
		"a field twice":     {0x82, 0xa1, 'a', 1, 0xa1, 'a', 1},
		"twice, apart":      {0x83, 0xa1, 'a', 1, 0xa1, 'b', 1, 0xa1, 'a', 2},
		"trailing bytes":    {0x80, 0x80},
		"cut off":           {0x82, 0xa1, 'a', 1},
		"huge":              {0xdf, 0xff, 0xff, 0xff, 0xff},
		"min reader a text": {0x81, 0xa1, '!', 0xa1, '1'},
		"negative reader":   {0x81, 0xa1, '!', 0xff},
	} {
		_, err := ParseRecord(raw, math.MaxUint32)
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
}

func TestRecordMinReader(t *testing.T) {
	var r Record
	r.SetString("n", "x")
	r.RequireReader(7)
	_, err := ParseRecord(r.Bytes(), 6)
	require.ErrorIs(t, err, ErrUpdateNeeded)
	back, err := ParseRecord(r.Bytes(), 7)
	require.NoError(t, err)
	back.SetString("n", "y")
	_, err = ParseRecord(back.Bytes(), 6)
	require.ErrorIs(t, err, ErrUpdateNeeded, "an edit keeps the demand")
	_, err = ParseRecord([]byte{0x81, 0xa1, '!', 0xcf, 255, 255, 255, 255, 255, 255, 255, 255}, math.MaxUint32)
	require.ErrorIs(t, err, ErrUpdateNeeded)
}

func TestRecordMistyped(t *testing.T) {
	raw := codec.AppendMap(nil, 5)
	raw = codec.AppendString(codec.AppendString(raw, "bad"), "\xff")
	raw = codec.AppendNil(codec.AppendString(raw, "nil"))
	raw = codec.AppendInt(codec.AppendString(raw, "neg"), -1)
	raw = codec.AppendBytes(codec.AppendString(raw, "short"), []byte{1})
	raw = codec.AppendString(codec.AppendString(raw, "text"), "12")
	r, err := ParseRecord(raw, 0)
	require.NoError(t, err)
	fails := func(_ any, err error) {
		t.Helper()
		require.ErrorIs(t, err, codec.ErrMalformed)
	}
	one := func(v any, err error) (any, error) { return v, err }
	s, err := r.String("bad")
	fails(one(s, err))
	s, err = r.String("nil")
	fails(one(s, err))
	u, err := r.Uint("neg")
	fails(one(u, err))
	require.Zero(t, u)
	u, err = r.Uint("text")
	fails(one(u, err))
	b, err := r.Bool("text")
	fails(one(b, err))
	o, err := r.Object("short")
	fails(one(o, err))
	till, err := r.Till("text")
	fails(one(till, err))
	d, err := r.Binary("text")
	fails(one(d, err))
}

func TestRecordLarge(t *testing.T) {
	var r Record
	for i := range 300 {
		r.SetUint(string([]byte{'a' + byte(i/26), 'a' + byte(i%26)}), uint64(i+1))
	}
	back, err := ParseRecord(r.Bytes(), 0)
	require.NoError(t, err)
	require.Equal(t, r.Bytes(), back.Bytes())
	require.Equal(t, 300, back.Len())
}
