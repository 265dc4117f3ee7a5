package highwater_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// written returns the path of a record and its bytes after the given payloads were written.
func written(t *testing.T, payloads ...string) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "highwater")
	file, err := highwater.Create(path, []byte(payloads[0]))
	require.NoError(t, err)
	for _, payload := range payloads[1:] {
		require.NoError(t, file.Write([]byte(payload)))
	}
	require.NoError(t, file.Close())
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	return path, content
}

func read(t *testing.T, path string) (payload string, torn bool) {
	t.Helper()
	file, last, err := highwater.Open(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return string(last), file.Torn()
}

func TestTheLastPayloadIsRead(t *testing.T) {
	payloads := []string{""}
	for n := range 20 {
		payload, torn := read(t, first(written(t, payloads...)))
		require.False(t, torn)
		require.Equal(t, payloads[n], payload)
		payloads = append(payloads, fmt.Sprintf("payload %d %s", n, bytes.Repeat([]byte{'x'}, n*n)))
	}
}

func first(path string, _ []byte) string { return path }

func TestGrowsAndShrinks(t *testing.T) {
	path, _ := written(t, "small")
	for _, size := range []int{4096 - 28, 4096 - 27, 10, 9000, 8192, highwater.MaxPayload, 0, 100} {
		file, _, err := highwater.Open(path)
		require.NoError(t, err)
		payload := bytes.Repeat([]byte{byte(size)}, size)
		require.NoError(t, file.Write(payload))
		require.ErrorIs(t, file.Write(make([]byte, highwater.MaxPayload+1)), highwater.ErrTooLarge)
		require.NoError(t, file.Close())
		require.NoError(t, file.Close())
		require.ErrorIs(t, file.Write(nil), os.ErrClosed)
		have, torn := read(t, path)
		require.False(t, torn)
		require.True(t, have == string(payload), "%d bytes", size)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestCreateAndOpenRefuse(t *testing.T) {
	path, content := written(t, "one", "two")
	_, err := highwater.Create(path, nil)
	require.ErrorIs(t, err, highwater.ErrExists)
	_, _, err = highwater.Open(path + "x")
	require.ErrorIs(t, err, highwater.ErrMissing)
	_, err = highwater.Create(path+"y", make([]byte, highwater.MaxPayload+1))
	require.ErrorIs(t, err, highwater.ErrTooLarge)
	for _, bad := range [][]byte{nil, content[:4096], content[:len(content)-1], append(content, 0),
		make([]byte, len(content)), bytes.Repeat([]byte{0xff}, len(content)), make([]byte, 1<<20)} {
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, _, err := highwater.Open(path)
		require.ErrorIs(t, err, highwater.ErrDamaged)
	}
	require.NotErrorIs(t, err, rows.ErrNewerFormat)
}

// TestTornWrite damages the newer slot in every way a write that was cut off can: at each byte the rest is
// what was there before, or is zero, or one byte is wrong. Each gives the older payload, and the next
// write works and spares it.
func TestTornWrite(t *testing.T) {
	for _, newer := range []int{0, 1} {
		payloads := []string{"generation one, somewhat longer", "generation two", "generation three"}[:3-newer]
		older, last := payloads[len(payloads)-2], payloads[len(payloads)-1]
		path, after := written(t, payloads...)
		_, before := written(t, payloads[:len(payloads)-1]...)
		start := newer * len(after) / 2
		length := 28 + len(last)
		require.Equal(t, before[:start], after[:start])
		try := func(name string, at int, content []byte) {
			require.NoError(t, os.WriteFile(path, content, 0o600))
			file, payload, err := highwater.Open(path)
			require.NoError(t, err, "%s at %d", name, at)
			if bytes.Equal(content, after) {
				require.Equal(t, last, string(payload), "%s at %d", name, at)
			} else {
				require.Equal(t, older, string(payload), "%s at %d", name, at)
			}
			require.NoError(t, file.Write([]byte("next")))
			require.False(t, file.Torn())
			require.NoError(t, file.Close())
			payload2, _ := read(t, path)
			require.Equal(t, "next", payload2)
		}
		for at := range length {
			cut := slices.Concat(after[:start+at], before[start+at:])
			try("cut", at, cut)
			zero := slices.Clone(after)
			clear(zero[start+at : start+length])
			try("zero", at, zero)
			flip := slices.Clone(after)
			flip[start+at] ^= byte(1 << (at % 8))
			try("flip", at, flip)
		}
		flipped := slices.Clone(after)
		flipped[start+40] ^= 1
		require.NoError(t, os.WriteFile(path, flipped, 0o600))
		_, torn := read(t, path)
		require.True(t, torn)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path, _ := written(t, "one")
	require.NoError(t, os.WriteFile(path, highwater.EncodeFormat(2, []byte("two")), 0o600))
	_, _, err := highwater.Open(path)
	require.ErrorIs(t, err, rows.ErrNewerFormat)
}

func BenchmarkWrite(b *testing.B) {
	file, err := highwater.Create(filepath.Join(b.TempDir(), "highwater"), nil)
	require.NoError(b, err)
	payload := make([]byte, 300)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		payload[0]++
		if err := file.Write(payload); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	require.NoError(b, file.Close())
}
