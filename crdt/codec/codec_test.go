package codec

import (
	"bytes"
	"flag"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes another one each time")

func random(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -args -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// edges are numbers around every change of form.
func edges(r *rand.Rand) []int64 {
	out := []int64{0, math.MaxInt64, math.MinInt64}
	for _, e := range []int64{31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32} {
		out = append(out, e-1, e, e+1, -e+1, -e, -e-1)
	}
	for range 500 {
		out = append(out, int64(r.Uint64())>>r.IntN(64))
	}
	return out
}

// TestNumbersAgainstOther: msgpack by another hand writes the same bytes and reads ours, and we read all it can write.
func TestNumbersAgainstOther(t *testing.T) {
	for _, v := range edges(random(t)) {
		ours := AppendInt(nil, v)
		var theirs bytes.Buffer
		enc := msgpack.NewEncoder(&theirs)
		require.NoError(t, enc.EncodeInt(v))
		require.Equal(t, theirs.Bytes(), ours, "%d", v)
		require.NoError(t, Check(ours))
		got, err := msgpack.NewDecoder(bytes.NewReader(ours)).DecodeInt64()
		require.NoError(t, err)
		require.Equal(t, v, got)

		// Other programs need not write the shortest form.
		wide, err := msgpack.Marshal(v)
		require.NoError(t, err)
		for _, b := range [][]byte{ours, wide} {
			r := NewReader(b)
			require.Equal(t, v, r.Int())
			require.NoError(t, r.Done())
			r = NewReader(b)
			u := r.Uint()
			if v < 0 {
				require.ErrorIs(t, r.Done(), ErrMalformed)
				require.Zero(t, u)
				continue
			}
			require.EqualValues(t, v, u)
			require.NoError(t, r.Done())
		}
		u := uint64(v)
		theirs.Reset()
		require.NoError(t, enc.EncodeUint(u))
		require.Equal(t, theirs.Bytes(), AppendUint(nil, u))
		r := NewReader(AppendUint(nil, u))
		require.Equal(t, u, r.Uint())
		require.NoError(t, r.Done())
		r = NewReader(AppendUint(nil, u))
		if i := r.Int(); u > math.MaxInt64 {
			require.ErrorIs(t, r.Done(), ErrMalformed)
			require.Zero(t, i)
		}
	}
}

func TestTextAndBytesAgainstOther(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
		text, data := strings.Repeat("x", n), bytes.Repeat([]byte{7}, n)
		theirText, err := msgpack.Marshal(text)
		require.NoError(t, err)
		require.Equal(t, theirText, AppendString(nil, text))
		theirData, err := msgpack.Marshal(data)
		require.NoError(t, err)
		require.Equal(t, theirData, AppendBytes(nil, data))

		r := NewReader(AppendBytes(AppendString(nil, text), data))
		require.Equal(t, text, r.String())
		got := r.Bytes()
		require.Equal(t, data, got)
		require.Equal(t, len(got), cap(got), "appending to what was read may not write into the rest")
		require.NoError(t, r.Done())
	}
	require.Equal(t, []byte{0xc4, 0}, AppendBytes(nil, nil))
	r := NewReader([]byte{0xc4, 0})
	require.NotNil(t, r.Bytes())
}

func TestHeadsAgainstOther(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 65535, 65536} {
		var theirs bytes.Buffer
		enc := msgpack.NewEncoder(&theirs)
		require.NoError(t, enc.EncodeArrayLen(n))
		require.Equal(t, theirs.Bytes(), AppendArray(nil, n))
		r := NewReader(append(AppendArray(nil, n), make([]byte, n)...))
		require.Equal(t, n, r.Array())
		r.Skip(n)
		require.NoError(t, r.Done())
		theirs.Reset()
		require.NoError(t, enc.EncodeMapLen(n))
		require.Equal(t, theirs.Bytes(), AppendMap(nil, n))
		r = NewReader(append(AppendMap(nil, n), make([]byte, 2*n)...))
		require.Equal(t, n, r.Map())
		r.Skip(2 * n)
		require.NoError(t, r.Done())
	}
	yes, err := msgpack.Marshal(true)
	require.NoError(t, err)
	require.Equal(t, yes, AppendBool(nil, true))
	no, err := msgpack.Marshal(false)
	require.NoError(t, err)
	require.Equal(t, no, AppendBool(nil, false))
	null, err := msgpack.Marshal(nil)
	require.NoError(t, err)
	require.Equal(t, null, AppendNil(nil))
	r := NewReader([]byte{0xc3, 0xc2, 0xc0, 0x01})
	require.True(t, r.Bool())
	require.False(t, r.Bool())
	require.True(t, r.Nil())
	require.False(t, r.Nil())
	require.False(t, r.Bool())
	require.ErrorIs(t, r.Done(), ErrMalformed)
}

// sale is a value with everything another program may put into a field.
type sale struct {
	Name  string
	N     int64
	U     uint32
	F     float64
	G     float32
	Data  []byte
	Lines []sale
	Tags  map[string]int
	Any   any
}

func randomSale(r *rand.Rand, depth int) sale {
	s := sale{Name: strings.Repeat("ä", r.IntN(200)), N: int64(r.Uint64()) >> r.IntN(64), U: r.Uint32(), F: r.Float64(), G: 1.5,
		Data: make([]byte, r.IntN(300)), Tags: map[string]int{}}
	for range r.IntN(20) {
		s.Tags[strings.Repeat("k", r.IntN(40))] = r.Int()
	}
	for range r.IntN(4) * min(depth, 1) {
		s.Lines = append(s.Lines, randomSale(r, depth-1))
	}
	return s
}

// TestWalkAgainstOther: whatever another implementation writes is walked to its exact end, and nothing shorter or longer is taken.
func TestWalkAgainstOther(t *testing.T) {
	r := random(t)
	for range 200 {
		raw, err := msgpack.Marshal(randomSale(r, 3))
		require.NoError(t, err)
		require.NoError(t, Check(raw))
		rd := NewReader(append(append([]byte{0x92}, raw...), raw...))
		require.Equal(t, 2, rd.Array())
		require.Equal(t, raw, rd.Raw())
		require.Equal(t, raw, rd.Raw())
		require.NoError(t, rd.Done())
		for range 20 {
			require.ErrorIs(t, Check(raw[:r.IntN(len(raw))]), ErrMalformed)
		}
		require.ErrorIs(t, Check(append(raw, 0xc0)), ErrMalformed)
	}
	var ext bytes.Buffer
	enc := msgpack.NewEncoder(&ext)
	for _, n := range []int{1, 2, 3, 4, 5, 8, 15, 16, 17, 255, 256, 65535, 65536} {
		ext.Reset()
		require.NoError(t, enc.EncodeExtHeader(5, n))
		ext.Write(make([]byte, n))
		require.NoError(t, Check(ext.Bytes()), "extension of %d bytes", n)
		require.ErrorIs(t, Check(ext.Bytes()[:ext.Len()-1]), ErrMalformed)
	}
}

func TestReaderWrongTypes(t *testing.T) {
	values := map[string][]byte{"uint": {1}, "int": {0xff}, "nil": {0xc0}, "bool": {0xc3}, "bytes": {0xc4, 0}, "text": {0xa0},
		"array": {0x90}, "map": {0x80}, "float": {0xca, 0, 0, 0, 0}, "end": {}, "unused": {0xc1}}
	reads := map[string]func(*Reader){
		"uint": func(r *Reader) { r.Uint() }, "bool": func(r *Reader) { r.Bool() }, "bytes": func(r *Reader) { r.Bytes() },
		"text": func(r *Reader) { _ = r.String() }, "array": func(r *Reader) { r.Array() }, "map": func(r *Reader) { r.Map() },
	}
	for want, read := range reads {
		for have, b := range values {
			r := NewReader(b)
			read(r)
			if want == have {
				require.NoError(t, r.Done(), "%s as %s", have, want)
				continue
			}
			require.ErrorIs(t, r.Done(), ErrMalformed, "%s as %s", have, want)
			first := r.Err()
			r.Uint()
			r.Raw()
			r.Skip(3)
			r.Fail("another")
			require.Equal(t, first, r.Err(), "the first problem sticks")
		}
	}
	r := NewReader([]byte{0xc4, 2, 1, 2})
	var three [3]byte
	r.Fixed(three[:])
	require.ErrorIs(t, r.Err(), ErrMalformed)
	require.Zero(t, three)
	for _, none := range [][]byte{{0x91, 1}, {0xc0}, {}} {
		r = NewReader(none)
		require.Zero(t, r.ArrayOf(2), "no negative number")
		require.ErrorIs(t, r.Err(), ErrMalformed)
	}
	var zero Reader
	require.EqualValues(t, 0xc1, zero.Peek())
	require.Zero(t, zero.Rest())
}
