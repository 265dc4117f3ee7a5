package wire_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// streamed returns the frames of messages that one encoder wrote, each on its own.
func streamed(t testing.TB, list ...wire.Message) (frames [][]byte) {
	t.Helper()
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	for _, m := range list {
		b, err := e.AppendStream(nil, m)
		require.NoError(t, err)
		frames = append(frames, b)
	}
	return frames
}

func TestAStreamRemembersEarlierFrames(t *testing.T) {
	commits := goldenCommits(t, 20)
	var list []wire.Message
	for _, c := range commits {
		list = append(list, &wire.Push{List: [][]byte{c}})
	}
	frames := streamed(t, list...)
	plain := encode(t, list[19], false)
	require.Less(t, len(frames[19]), len(plain)*3/4, "the twentieth line repeats much of those before it")

	d, err := wire.NewDecoder(bytes.NewReader(bytes.Join(frames, nil)))
	require.NoError(t, err)
	defer d.Close()
	for i, want := range list {
		m, size, err := d.Next()
		require.NoError(t, err)
		require.Equal(t, len(frames[i]), size)
		require.Equal(t, want, m)
	}
}

func TestPlainCompressedAndStreamedFramesMix(t *testing.T) {
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	commits := goldenCommits(t, 20)
	large := &wire.Push{List: make([][]byte, 0, 400)}
	for range 20 {
		large.List = append(large.List, commits...)
	}
	list := []wire.Message{&wire.Push{List: commits[:1]}, &wire.Push{List: commits}, large, &wire.Push{List: commits[1:2]}, &wire.Have{Scope: crdt.Sales, Entries: crdt.Context{}}}
	var all []byte
	for i, m := range list {
		if i == 1 {
			all, err = e.Append(all, m, true)
		} else {
			all, err = e.AppendStream(all, m)
		}
		require.NoError(t, err)
	}
	d, err := wire.NewDecoder(bytes.NewReader(all))
	require.NoError(t, err)
	defer d.Close()
	for _, want := range list {
		m, _, err := d.Next()
		require.NoError(t, err)
		require.Equal(t, want.Kind(), m.Kind())
		if _, ok := want.(*wire.Push); ok {
			require.Equal(t, want, m)
		}
	}
}

func TestABrokenStreamEndsTheLink(t *testing.T) {
	commits := goldenCommits(t, 3)
	frames := streamed(t, &wire.Push{List: commits[:1]}, &wire.Push{List: commits[1:2]}, &wire.Push{List: commits[2:]})
	read := func(b []byte) error {
		d, err := wire.NewDecoder(bytes.NewReader(b))
		require.NoError(t, err)
		defer d.Close()
		for {
			if _, _, err := d.Next(); err != nil {
				return err
			}
		}
	}
	require.ErrorIs(t, read(append(bytes.Clone(frames[0]), frames[2]...)), wire.ErrFrame, "a part is missing")
	require.ErrorIs(t, read(frames[1]), wire.ErrFrame, "the beginning is missing")
	for i := 6; i < len(frames[0]); i++ {
		bad := bytes.Clone(frames[0])
		bad[i] ^= 0x55
		require.Error(t, read(bad), "byte %d", i)
	}
	bomb := bytes.Clone(frames[0])
	binary.BigEndian.PutUint32(bomb[6:], 1<<30)
	require.ErrorIs(t, read(bomb), wire.ErrFrame)
	rest := append(bytes.Clone(frames[0]), 1, 2, 3)
	binary.BigEndian.PutUint32(rest, uint32(len(rest)-4))
	require.ErrorIs(t, read(rest), wire.ErrFrame, "bytes left over")
}

func BenchmarkPushStream(b *testing.B) {
	commits := goldenCommits(b, 20)
	e, err := wire.NewEncoder()
	require.NoError(b, err)
	var buf []byte
	n := 0
	for b.Loop() {
		buf, err = e.AppendStream(buf[:0], &wire.Push{List: commits[n%20 : n%20+1]})
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(len(buf)), "B/frame")
}
