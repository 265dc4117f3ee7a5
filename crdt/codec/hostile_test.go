package codec

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostile are inputs that exhaust memory or stack of a decoder that believes them (some end other programs at once).
func hostile() map[string][]byte {
	return map[string][]byte{
		"array of 4 billion":  {0xdd, 0xff, 0xff, 0xff, 0xff},
		"map of 4 billion":    {0xdf, 0xff, 0xff, 0xff, 0xff},
		"4 GB of bytes":       {0xc6, 0xff, 0xff, 0xff, 0xff},
		"4 GB of text":        {0xdb, 0xff, 0xff, 0xff, 0xff},
		"4 GB of extension":   {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		"array of 65535":      {0xdc, 0xff, 0xff},
		"map of 65535":        {0xde, 0xff, 0xff},
		"10 MB of arrays":     bytes.Repeat([]byte{0x91}, 10<<20),
		"10 MB of maps":       bytes.Repeat([]byte{0x81}, 10<<20),
		"3 kB of array16":     bytes.Repeat([]byte{0xdc, 0xff, 0xff}, 1000),
		"nested in a map":     append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 1<<20)...),
		"too many values":     append([]byte{0xdd, 0, 1, 0x86, 0xa0}, make([]byte, 100_000)...),
		"too many in nests":   bytes.Repeat(append([]byte{0xdc, 0x27, 0x10}, make([]byte, 9_999)...), 11),
		"unused code":         {0xc1},
		"unused code, nested": {0x92, 1, 0xc1},
		"trailing":            {0x01, 0x01},
		"nothing":             {},
	}
}

func TestCheckHostile(t *testing.T) {
	for name, b := range hostile() {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, Check(b), ErrMalformed)
			requireNoMemory(t, func() { _ = Check(b) })
			requireNoMemory(t, func() { NewReader(b).Skip(3) })
			requireNoMemory(t, func() { NewReader(b).Array() })
			requireNoMemory(t, func() { NewReader(b).Map() })
			requireNoMemory(t, func() { NewReader(b).Bytes() })
			requireNoMemory(t, func() { NewReader(b).StringBytes() })
		})
	}
}

// requireNoMemory: reading costs at most an error message, whatever the bytes announce.
func requireNoMemory(t *testing.T, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
}

func TestCheckLimits(t *testing.T) {
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	require.NoError(t, Check(deep(MaxDepth)))
	require.ErrorIs(t, Check(deep(MaxDepth+1)), ErrMalformed)
	flat := func(n int) []byte { return append(AppendArray(nil, n), make([]byte, n)...) }
	require.NoError(t, Check(flat(MaxElements-1)))
	require.ErrorIs(t, Check(flat(MaxElements)), ErrMalformed)
}

// TestCheckTruncated: a value cut anywhere is refused.
func TestCheckTruncated(t *testing.T) {
	long := AppendArray(nil, 8)
	long = AppendString(AppendMap(long, 1), "key")
	long = AppendBytes(long, bytes.Repeat([]byte{1}, 300))
	long = AppendInt(long, -70_000)
	long = AppendUint(long, 1<<40)
	long = AppendString(long, string(bytes.Repeat([]byte{'x'}, 40)))
	long = append(long, 0xcb, 1, 2, 3, 4, 5, 6, 7, 8)
	long = append(long, 0xd8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	long = AppendArray(AppendNil(long), 16)
	long = append(long, make([]byte, 16)...)
	require.NoError(t, Check(long))
	for n := range long {
		require.ErrorIs(t, Check(long[:n]), ErrMalformed, "cut at %d", n)
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	b := append([]byte{0x92}, slices.Repeat(append([]byte{0x93, 0xa3, 'a', 'b', 'c'}, 0xc4, 2, 1, 2, 0xcd, 1, 2), 2)...)
	require.NoError(t, Check(b))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if Check(b) != nil {
			t.Error("refused")
		}
	}))
}

func FuzzCheck(f *testing.F) {
	for _, b := range hostile() {
		if len(b) < 1<<16 {
			f.Add(b)
		}
	}
	f.Add(AppendString(AppendArray(AppendMap(nil, 1), 2), "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Check(b)
		r := NewReader(b)
		raw := r.Raw()
		if err == nil {
			require.NoError(t, r.Done())
			require.Equal(t, b, raw)
			require.NoError(t, Check(AppendArray(nil, 0)))
			if len(b) > 1 {
				require.Error(t, Check(b[:len(b)-1]))
			}
			require.Error(t, Check(append(slices.Clone(b), 0)))
		} else {
			require.ErrorIs(t, err, ErrMalformed)
		}
		// No read may panic, loop or step beyond the end.
		for _, read := range []func(*Reader){func(r *Reader) { r.Int() }, func(r *Reader) { r.Uint() }, func(r *Reader) { r.Bytes() },
			func(r *Reader) { r.StringBytes() }, func(r *Reader) { r.Array() }, func(r *Reader) { r.Map() }, func(r *Reader) { r.Bool() },
			func(r *Reader) { r.Skip(2) }, func(r *Reader) { r.Nil() }} {
			r := NewReader(b)
			read(r)
			require.LessOrEqual(t, r.Offset(), len(b))
		}
	})
}
