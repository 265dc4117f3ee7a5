package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/wire"
)

// Whatever is read can be written, and what was written is read as the same.
func FuzzDecode(f *testing.F) {
	for _, g := range goldens(f) {
		frame := encodePlain(f, g)
		f.Add(frame[4], frame[6:])
	}
	e, err := wire.NewEncoder()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		m, err := wire.Decode(wire.Kind(kind), body)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrFrame)
			require.Nil(t, m)
			return
		}
		if m == nil || len(body) > wire.MaxFrame {
			return
		}
		frame, err := e.Append(nil, m, false)
		require.NoError(t, err)
		again, err := wire.Decode(m.Kind(), frame[6:])
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// A stream of anything ends with an error, and the sizes of its frames add up.
func FuzzDecoder(f *testing.F) {
	var all []byte
	for _, g := range goldens(f) {
		frame, err := readHex(g.path())
		require.NoError(f, err)
		f.Add(frame)
		all = append(all, frame...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, err := wire.NewDecoder(bytes.NewReader(stream))
		require.NoError(t, err)
		defer d.Close()
		for at := 0; ; {
			_, size, err := d.Next()
			if err != nil {
				require.LessOrEqual(t, at, len(stream))
				return
			}
			require.GreaterOrEqual(t, size, 6)
			at += size
		}
	})
}

func encodePlain(t testing.TB, g golden) []byte {
	if g.message == nil || g.frame != nil {
		return g.frame
	}
	return encode(t, g.message, false)
}

func BenchmarkPush(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		m := &wire.Push{List: goldenCommits(b, n)}
		for _, compress := range []bool{false, true} {
			frame := encode(b, m, compress)
			body := encode(b, m, false)[6:]
			name := fmt.Sprintf("commits=%d/zstd=%t", n, compress)
			b.Run("encode/"+name, func(b *testing.B) {
				e, err := wire.NewEncoder()
				require.NoError(b, err)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					if buf, err = e.Append(buf[:0], m, compress); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("decode/"+name, func(b *testing.B) {
				r := bytes.NewReader(frame)
				d, err := wire.NewDecoder(r)
				require.NoError(b, err)
				defer d.Close()
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					r.Reset(frame)
					if _, _, err := d.Next(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
