package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// next reads one frame and returns how many bytes were allocated meanwhile. Under the race detector it is about twice
// as many, so bounds on it are generous: what they tell apart differs by far more.
func next(t *testing.T, r io.Reader) (m wire.Message, allocated uint64, err error) {
	d, err := wire.NewDecoder(r)
	require.NoError(t, err)
	defer d.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, _, err = d.Next()
	runtime.ReadMemStats(&after)
	return m, after.TotalAlloc - before.TotalAlloc, err
}

func TestTruncatedFrame(t *testing.T) {
	r := seeded(t)
	r.each(t, 2, func(m wire.Message) {
		frame := encode(t, m, r.IntN(2) == 0)
		_, err := decode(t, nil)
		require.Equal(t, io.EOF, err, "between frames")
		for n := 1; n < len(frame); n++ {
			_, err := decode(t, frame[:n])
			require.Equal(t, io.ErrUnexpectedEOF, err, "%d of %d bytes of %T", n, len(frame), m)
		}
	})
}

func TestReaderErrorsAreReturnedAsTheyAre(t *testing.T) {
	frame := encode(t, &wire.Bye{Code: "protocol", Text: "for some reason"}, false)
	broken := errors.New("the cable is out")
	for n := range frame {
		d, err := wire.NewDecoder(io.MultiReader(bytes.NewReader(frame[:n]), iotest.ErrReader(broken)))
		require.NoError(t, err)
		_, _, err = d.Next()
		require.ErrorIs(t, err, broken, "after %d bytes", n)
		require.NotErrorIs(t, err, wire.ErrFrame)
		d.Close()
	}
}

func TestAnyPiecesOfAStreamWillDo(t *testing.T) {
	r := seeded(t)
	var stream []byte
	var sent []wire.Message
	r.each(t, 3, func(m wire.Message) {
		stream, sent = append(stream, encode(t, m, true)...), append(sent, m)
	})
	for _, slow := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		d, err := wire.NewDecoder(slow(bytes.NewReader(stream)))
		require.NoError(t, err)
		for _, want := range sent {
			got, _, err := d.Next()
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, _, err = d.Next()
		require.Equal(t, io.EOF, err)
		d.Close()
	}
}

// An impossible length is refused before anything else is read.
func TestAnnouncedSizes(t *testing.T) {
	for _, n := range []uint32{0, 1, wire.MaxFrame + 3, 1 << 31, math.MaxUint32} {
		rest := strings.NewReader("the rest")
		_, allocated, err := next(t, io.MultiReader(bytes.NewReader(binary.BigEndian.AppendUint32(nil, n)), rest))
		require.ErrorIs(t, err, wire.ErrFrame, "%d bytes", n)
		require.Equal(t, len("the rest"), rest.Len(), "%d bytes", n)
		require.Less(t, allocated, uint64(16<<10))
	}
}

// A peer that announces the largest frame and then lets a few bytes drip in must not cost more than those.
func TestSlowDripCostsLittle(t *testing.T) {
	for _, there := range []int{0, 1, 100, 60_000, 300_000} {
		head := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+2)
		head = append(head, byte(wire.KindPush), 0)
		drip := iotest.HalfReader(bytes.NewReader(append(head, make([]byte, there)...)))
		_, allocated, err := next(t, drip)
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Less(t, allocated, uint64(256<<10+8*there), "%d bytes came", there)
	}
}

func TestUnknownFlagsAreRefused(t *testing.T) {
	frame := encode(t, &wire.Bye{}, false)
	for flags := 2; flags < 256; flags++ {
		frame[5] = byte(flags)
		_, err := decode(t, frame)
		require.ErrorIs(t, err, wire.ErrFrame, "flags %#x", flags)
	}
	frame[4], frame[5] = 200, 2
	_, err := decode(t, frame)
	require.ErrorIs(t, err, wire.ErrFrame, "the flags of an unknown kind count, too")
}

func TestLargestFrame(t *testing.T) {
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	const around = 1 + 8 + 1 + 5 // array, ID, boolean, head of the bytes
	for _, compress := range []bool{false, true} {
		m := &wire.Answer{ID: math.MaxUint64, OK: true, Body: make([]byte, wire.MaxFrame-around-1)}
		frame, err := e.Append(nil, m, compress)
		require.NoError(t, err)
		got, err := decode(t, frame)
		require.NoError(t, err)
		require.Equal(t, m, got)

		m.Body = append(m.Body, 0)
		kept, err := e.Append([]byte("kept"), m, compress)
		require.ErrorIs(t, err, wire.ErrFrame)
		require.Equal(t, "kept", string(kept))
	}
}

// packed returns what a zstd encoder makes of b in one go: with the size of the content in front.
func packed(t testing.TB, b []byte) []byte {
	z, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	require.NoError(t, err)
	return z.EncodeAll(b, nil)
}

func TestDecompressionBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	const least = 100 << 10 // what the library takes for itself, about

	honest := packed(t, zeros)
	_, allocated, err := next(t, bytes.NewReader(frameOf(byte(wire.KindPush), 1, honest)))
	require.ErrorIs(t, err, wire.ErrFrame, "64 MiB, as stated")
	require.Less(t, allocated, uint64(least))

	_, allocated, err = next(t, bytes.NewReader(frameOf(byte(wire.KindPush), 1, packed(t, zeros[:wire.MaxFrame+1]))))
	require.ErrorIs(t, err, wire.ErrFrame, "one byte too many")
	require.Less(t, allocated, uint64(least))

	var streamed bytes.Buffer
	z, err := zstd.NewWriter(&streamed)
	require.NoError(t, err)
	_, err = z.Write(zeros)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	_, allocated, err = next(t, bytes.NewReader(frameOf(byte(wire.KindPush), 1, streamed.Bytes())))
	require.ErrorIs(t, err, wire.ErrFrame, "64 MiB, size not stated")
	require.Less(t, allocated, uint64(least))

	var h zstd.Header
	require.NoError(t, h.Decode(honest))
	liar := bytes.Clone(honest)
	size := liar[h.HeaderSize-4 : h.HeaderSize]
	require.Equal(t, uint32(len(zeros)), binary.LittleEndian.Uint32(size))
	binary.LittleEndian.PutUint32(size, 1000)
	_, allocated, err = next(t, bytes.NewReader(frameOf(byte(wire.KindPush), 1, liar)))
	require.ErrorIs(t, err, wire.ErrFrame, "64 MiB, 1000 bytes stated")
	require.Less(t, allocated, uint64(1<<20))
}

// Many frames in one body: each would make the result grow by a copy of all before it.
func TestManyCompressedFramesInOneBody(t *testing.T) {
	one := packed(t, []byte{0xc0})
	body := bytes.Repeat(one, wire.MaxFrame/len(one))
	_, allocated, err := next(t, bytes.NewReader(frameOf(byte(wire.KindPush), 1, body)))
	require.ErrorIs(t, err, wire.ErrFrame)
	require.Less(t, allocated, uint64(4*wire.MaxFrame), "the body itself, read piece by piece")
}

func TestCompressedBodyThatIsNoneIsRefused(t *testing.T) {
	good := packed(t, encode(t, &wire.Push{List: goldenCommits(t, 4)}, false)[6:])
	for name, body := range map[string][]byte{
		"nothing":         {},
		"not compressed":  {0x91, 0x90},
		"cut off":         good[:len(good)-1],
		"more behind":     append(bytes.Clone(good), 0),
		"skippable frame": {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0},
	} {
		_, err := decode(t, frameOf(byte(wire.KindPush), 1, body))
		require.ErrorIs(t, err, wire.ErrFrame, name)
	}
	_, err := decode(t, frameOf(byte(wire.KindPush), 1, good))
	require.NoError(t, err)
}

// What every receiver would refuse is an error here and not a link that ends for no visible reason.
func TestEncoderRefusesWhatNobodyTakes(t *testing.T) {
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	scattered := runs(wire.MaxFrame/2 + 1)
	for name, m := range map[string]wire.Message{
		"long topic":     &wire.Ask{Topic: strings.Repeat("t", 33)},
		"topic not text": &wire.Ask{Topic: "\xff"},
		"long code":      &wire.Bye{Code: strings.Repeat("c", 33)},
		"many scopes":    &wire.Scopes{List: make([]wire.ScopeState, 1025)},
		"many runs":      &wire.Have{Scope: crdt.Sales, Entries: crdt.Context{{1}: scattered}},
	} {
		kept, err := e.Append([]byte("kept"), m, false)
		require.ErrorIs(t, err, wire.ErrFrame, name)
		require.Equal(t, "kept", string(kept), name)
	}
}

// runs returns so many runs with gaps between them, as a till holds them that is catching up with settled sales.
func runs(n int) []crdt.Interval {
	out := make([]crdt.Interval, n)
	for i := range out {
		out[i] = crdt.Interval{After: crdt.Seq(3 * i), To: crdt.Seq(3*i + 1)}
	}
	return out
}

// A till that is catching up with a million settled sales can say what it holds.
func TestAMillionRunsFitAFrame(t *testing.T) {
	entries := crdt.Context{{1}: runs(1_000_000)}
	for _, m := range []wire.Message{
		&wire.Context{Scope: crdt.Sales, Full: true, Entries: entries, Hash: entries.Hash()},
		&wire.Pull{ID: 1, Scope: crdt.Sales, Want: entries},
		&wire.Have{Scope: crdt.Sales, Entries: entries},
	} {
		got, err := decode(t, encode(t, m, false))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
}

// Words for people are cut, not refused: a long error must not hide the reason of a Bye.
func TestTextsForPeopleAreCut(t *testing.T) {
	got, err := decode(t, encode(t, &wire.Bye{Code: "protocol", Text: strings.Repeat("ü", 300)}, false))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ü", 200), got.(*wire.Bye).Text)

	got, err = decode(t, encode(t, &wire.Bye{Text: "x" + strings.Repeat("ü", 300)}, false))
	require.NoError(t, err)
	require.Equal(t, "x"+strings.Repeat("ü", 199), got.(*wire.Bye).Text)

	got, err = decode(t, encode(t, &wire.Hello{Program: "v1\xff" + strings.Repeat("0", 80)}, false))
	require.NoError(t, err)
	require.Equal(t, "v1\uFFFD"+strings.Repeat("0", 59), got.(*wire.Hello).Program)
}

func TestCompressionOnlyWhereItPays(t *testing.T) {
	small := &wire.Answer{Body: make([]byte, 100)}
	require.Zero(t, encode(t, small, true)[5])
	large := &wire.Answer{Body: make([]byte, 100_000)}
	require.Equal(t, byte(1), encode(t, large, true)[5])
	require.Less(t, len(encode(t, large, true)), 1000)
	require.Zero(t, encode(t, large, false)[5])
	noise := &wire.Answer{Body: make([]byte, 100_000)}
	r := seeded(t)
	for i := range noise.Body {
		noise.Body[i] = byte(r.Uint32())
	}
	require.Zero(t, encode(t, noise, true)[5], "what does not become smaller is sent as it is")
}
