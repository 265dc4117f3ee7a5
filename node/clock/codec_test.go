package clock_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node/clock"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var saved = clock.State{Decided: true, Contradicted: true, OffsetMS: -93_600_123, DecidedMS: 1_795_262_400_000, BusinessMS: 1_795_262_460_000}

// golden holds bytes against a file, and returns what the file says.
func golden(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "v1", name+".hex")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(b)+"\n"), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	want, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Equal(t, want, b)
	return want
}

func TestGolden(t *testing.T) {
	got, err := clock.DecodeState(golden(t, "state", saved.Encode()))
	require.NoError(t, err)
	require.Equal(t, saved, got)
	wall, err := clock.DecodeAnswer(golden(t, "answer", clock.EncodeAnswer(1_795_262_400_000)))
	require.NoError(t, err)
	require.EqualValues(t, 1_795_262_400_000, wall)
}

func TestNewerAndBrokenBytes(t *testing.T) {
	newer := saved.Encode()
	newer[0]++ // one element more
	got, err := clock.DecodeState(codec.AppendString(newer, "new"))
	require.NoError(t, err)
	require.Equal(t, saved, got)

	other := saved.Encode()
	other[1] = 2
	_, err = clock.DecodeState(other)
	require.ErrorContains(t, err, "version 2")
	for i := range len(saved.Encode()) {
		_, err := clock.DecodeState(saved.Encode()[:i])
		require.ErrorIs(t, err, codec.ErrMalformed)
	}
	_, err = clock.DecodeAnswer(clock.EncodeAnswer(-5))
	require.ErrorIs(t, err, codec.ErrMalformed)
	_, err = clock.DecodeAnswer([]byte("2026-11-21T12:00:00Z"))
	require.Error(t, err)
}

func FuzzDecode(f *testing.F) {
	f.Add(saved.Encode())
	f.Add(clock.State{}.Encode())
	f.Add(clock.EncodeAnswer(1_795_262_400_000))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := clock.DecodeState(b); err == nil {
			again, err := clock.DecodeState(s.Encode())
			require.NoError(t, err)
			require.Equal(t, s, again)
			c := clock.New(clock.Reading{WallMS: clock.Epoch * 2}, clock.Config{Last: s})
			require.GreaterOrEqual(t, c.Stamp(clock.Reading{WallMS: clock.Epoch * 2}).MS, clock.Epoch)
		} else {
			require.ErrorIs(t, err, codec.ErrMalformed)
		}
		if wall, err := clock.DecodeAnswer(b); err == nil {
			again, err := clock.DecodeAnswer(clock.EncodeAnswer(wall))
			require.NoError(t, err)
			require.Equal(t, wall, again)
		}
	})
}
