package receipt_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestCanonicalForm(t *testing.T) {
	for _, c := range []struct {
		name  string
		value receipt.Value
		want  string
	}{
		{"literals", receipt.Array{receipt.Null{}, receipt.Bool(true), receipt.Bool(false)}, `[null,true,false]`},
		{"empty", receipt.Object{{"a", receipt.Object{}}, {"b", receipt.Array{}}, {"", receipt.String("")}}, `{"":"","a":{},"b":[]}`},
		{"integers", receipt.Array{receipt.Int(0), receipt.Int(-1), receipt.Int(receipt.MaxInteger), receipt.Int(-receipt.MaxInteger)},
			`[0,-1,9007199254740991,-9007199254740991]`},
		// The example of RFC 8785, 3.2.3, with texts for its numbers.
		{"order of UTF-16 units", receipt.Object{
			{"\u20ac", receipt.String("Euro Sign")},
			{"\r", receipt.String("Carriage Return")},
			{"\ufb33", receipt.String("Hebrew Letter Dalet With Dagesh")},
			{"1", receipt.String("One")},
			{"\U0001f600", receipt.String("Emoji: Grinning Face")},
			{"\u0080", receipt.String("Control")},
			{"\u00f6", receipt.String("Latin Small Letter O With Diaeresis")},
		}, `{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`},
		{"surrogates between D7FF and E000", receipt.Object{
			{"\uffff", receipt.Int(6)}, {"\ue000", receipt.Int(5)}, {"\U0010ffff", receipt.Int(4)}, {"\U00010000", receipt.Int(3)},
			{"\ud7ff", receipt.Int(2)}, {"\ud7ffa", receipt.Int(2)},
		}, "{\"\ud7ff\":2,\"\ud7ffa\":2,\"\U00010000\":3,\"\U0010ffff\":4,\"\ue000\":5,\"\uffff\":6}"},
		// The text of RFC 8785, 3.2.2: euro, dollar, U+000F, line feed, A, apostrophe, B, quote, backslash twice, quote, slash.
		{"escapes", receipt.String("\u20ac$\u000f\nA'B\"\\\\\"/"), `"€$\u000f\nA'B\"\\\\\"/"`},
		{"all control characters", receipt.String("\x00\x01\x02\x03\x04\x05\x06\x07\b\t\n\x0b\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"),
			`"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f` + "\x7f" + `"`},
		{"not escaped", receipt.String("\u2028\u2029<>&/\u00e4\ufeff\ufffd"), "\"\u2028\u2029<>&/ä\ufeff\ufffd\""},
	} {
		got, err := receipt.AppendCanonical([]byte("x"), c.value)
		require.NoError(t, err, c.name)
		require.Equal(t, "x"+c.want, string(got), c.name)
		require.True(t, json.Valid(got[1:]), c.name)
		back, err := receipt.ParseCanonical(got[1:])
		require.NoError(t, err, c.name)
		again, err := receipt.AppendCanonical(nil, back)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(again), c.name)
	}
}

func TestCanonicalRefusesToWrite(t *testing.T) {
	deep := receipt.Value(receipt.Int(1))
	for range receipt.MaxDepth + 1 {
		deep = receipt.Array{deep}
	}
	for name, v := range map[string]receipt.Value{
		"nil":               nil,
		"nil within":        receipt.Array{nil},
		"not UTF-8":         receipt.String("a\xffb"),
		"encoded surrogate": receipt.String("\xed\xa0\x80"),
		"name not UTF-8":    receipt.Object{{"\xc0\x80", receipt.Null{}}},
		"name twice":        receipt.Object{{"a", receipt.Null{}}, {"b", receipt.Null{}}, {"a", receipt.Null{}}},
		"integer too large": receipt.Int(receipt.MaxInteger + 1),
		"integer too small": receipt.Int(-receipt.MaxInteger - 1),
		"too deep":          deep,
		"too deep object":   receipt.Object{{"a", deep.(receipt.Array)[0]}},
		"too large":         receipt.String(strings.Repeat("a", receipt.MaxDocumentBytes)),
	} {
		_, err := receipt.AppendCanonical(nil, v)
		require.ErrorIs(t, err, receipt.ErrCanonical, name)
	}
}

func TestParseCanonicalRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, ` 1`, `1 `, "1\n", `[1, 2]`, `{"a": 1}`, `{"a" :1}`, "\ufeff1", `1 1`, `[1]]`, `{}{}`,
		`{"b":1,"a":2}`, `{"a":1,"a":2}`, "{\"\ue000\":1,\"\U00010000\":2}", `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{1:1}`, `{`, `{"a":1`,
		`[1,]`, `[,1]`, `[`, `[1`, `]`, `,`, `:`,
		`01`, `-0`, `-01`, `+1`, `1.0`, `1.5`, `1e2`, `1E2`, `.5`, `-`, `--1`, `9007199254740992`, `-9007199254740992`,
		`99999999999999999999999`, `0x1`, `NaN`, `Infinity`,
		`tru`, `True`, `nul`, `nulll`, `truefalse`,
		`"`, `"a`, `"\`, `"\"`, `"\u`, `"\u00`, `"\u000`, `'a'`,
		`"\/"`, `"\u0041"`, `"\u000A"`, `"\u000a"`, `"\u0008"`, `"\u000B"`, `"\u001F"`, `"\u0020"`, `"\u0022"`, `"\u2028"`, `"\ud83d\ude00"`, `"\ud800"`, `"\x41"`, `"\a"`, `"\v"`, `"\0"`,
		"\"\n\"", "\"\t\"", "\"\x00\"", "\"\x1f\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\\n\xff\"",
		strings.Repeat("[", receipt.MaxDepth+1) + strings.Repeat("]", receipt.MaxDepth+1),
		strings.Repeat("[", 100_000),
		strings.Repeat(`{"a":`, receipt.MaxDepth+1) + "1" + strings.Repeat("}", receipt.MaxDepth+1),
		`"` + strings.Repeat("a", receipt.MaxDocumentBytes) + `"`,
	} {
		_, err := receipt.ParseCanonical([]byte(in))
		require.ErrorIs(t, err, receipt.ErrCanonical, "%.80q", in)
	}
	atLimit := strings.Repeat("[", receipt.MaxDepth) + strings.Repeat("]", receipt.MaxDepth)
	_, err := receipt.ParseCanonical([]byte(atLimit))
	require.NoError(t, err)
	_, err = receipt.ParseCanonical([]byte(`"` + strings.Repeat("a", receipt.MaxDocumentBytes-2) + `"`))
	require.NoError(t, err)
}

func TestCanonicalOrderIsThatOfUTF16(t *testing.T) {
	r := seeded(t)
	alphabet := []rune{0, 'a', 'b', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfb33, 0xffff, 0x10000, 0x1f600, 0x10ffff}
	for range 3_000 {
		var o receipt.Object
		names := map[string]bool{}
		for range 2 + r.IntN(6) {
			var name []rune
			for range r.IntN(4) {
				name = append(name, alphabet[r.IntN(len(alphabet))])
			}
			if !names[string(name)] {
				names[string(name)] = true
				o = append(o, receipt.Member{Name: string(name), Value: receipt.Int(1)})
			}
		}
		b, err := receipt.AppendCanonical(nil, o)
		require.NoError(t, err)
		v, err := receipt.ParseCanonical(b)
		require.NoError(t, err)
		require.True(t, slices.IsSortedFunc(v.(receipt.Object), func(a, b receipt.Member) int {
			return slices.Compare(utf16.Encode([]rune(a.Name)), utf16.Encode([]rune(b.Name)))
		}), "%q", b)
		require.Len(t, v, len(o))
	}
}

// randomValue makes any value of the model.
func randomValue(r *rand.Rand, depth int) receipt.Value {
	text := func() string {
		alphabet := []rune("ab\"\\/\b\n\x00\x1f\x7fä€😀\u2028\ufb33")
		var s []rune
		for range r.IntN(6) {
			s = append(s, alphabet[r.IntN(len(alphabet))])
		}
		return string(s)
	}
	switch n := r.IntN(8); {
	case n < 2 && depth > 0:
		a := receipt.Array{}
		for range r.IntN(4) {
			a = append(a, randomValue(r, depth-1))
		}
		return a
	case n < 4 && depth > 0:
		o := receipt.Object{}
		for range r.IntN(5) {
			if name := text(); o.Get(name) == nil {
				o = append(o, receipt.Member{Name: name, Value: randomValue(r, depth-1)})
			}
		}
		return o
	case n == 4:
		return receipt.Bool(r.IntN(2) == 0)
	case n == 5:
		return receipt.Null{}
	case n == 6:
		return receipt.String(text())
	}
	return receipt.Int(upTo(r, receipt.MaxInteger))
}

func TestCanonicalRoundTrip(t *testing.T) {
	r := seeded(t)
	for range 3_000 {
		v := randomValue(r, 5)
		b, err := receipt.AppendCanonical(nil, v)
		require.NoError(t, err)
		back, err := receipt.ParseCanonical(b)
		require.NoError(t, err, "%s", b)
		again, err := receipt.AppendCanonical(nil, back)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		// Another reader sees the same value.
		reader := json.NewDecoder(bytes.NewReader(b))
		reader.UseNumber()
		var theirs any
		require.NoError(t, reader.Decode(&theirs))
		require.Equal(t, plain(v), theirs)
	}
}

// plain turns a value into what encoding/json makes of it.
func plain(v receipt.Value) any {
	switch v := v.(type) {
	case receipt.Object:
		m := map[string]any{}
		for _, member := range v {
			m[member.Name] = plain(member.Value)
		}
		return m
	case receipt.Array:
		a := []any{}
		for _, item := range v {
			a = append(a, plain(item))
		}
		return a
	case receipt.String:
		return string(v)
	case receipt.Int:
		return json.Number(strconv.FormatInt(int64(v), 10))
	case receipt.Bool:
		return bool(v)
	}
	return nil
}

func FuzzParseCanonical(f *testing.F) {
	for _, s := range []string{
		`{"":"","a":{},"b":[]}`, `[null,true,false,0,-1,9007199254740991]`, `"€$\u000f\nA'B\"\\\\\"/"`,
		"{\"\ud7ff\":2,\"\U00010000\":3,\"\ue000\":5}", `[1.0]`, `{"b":1,"a":1}`, `"\u000a"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := receipt.ParseCanonical(b)
		if err != nil {
			require.ErrorIs(t, err, receipt.ErrCanonical)
			return
		}
		require.True(t, json.Valid(b))
		again, err := receipt.AppendCanonical(nil, v)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
	})
}
