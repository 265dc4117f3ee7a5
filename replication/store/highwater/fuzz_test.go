package highwater_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The file outlives the program that wrote it.
func TestGolden(t *testing.T) {
	_, content := written(t, "first", "second", "third")
	want, err := os.ReadFile("testdata/three.v1.hex")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), strings.TrimRight(hex.EncodeToString(content), "0"))
}

// FuzzOpen reads any bytes as the file: refused as what it is, or a record that can be written on.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed")
	file, err := highwater.Create(path, []byte("first"))
	require.NoError(f, err)
	require.NoError(f, file.Write([]byte("second")))
	require.NoError(f, file.Close())
	content, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add(highwater.EncodeFormat(2, []byte("newer")))
	f.Add([]byte{})
	path = filepath.Join(dir, "highwater")
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		file, payload, err := highwater.Open(path)
		if err != nil {
			require.True(t, errors.Is(err, highwater.ErrDamaged) || errors.Is(err, rows.ErrNewerFormat), "%v", err)
			return
		}
		require.LessOrEqual(t, len(payload), highwater.MaxPayload)
		require.NoError(t, file.Write([]byte("next")))
		require.NoError(t, file.Close())
		again, payload, err := highwater.Open(path)
		require.NoError(t, err)
		require.Equal(t, "next", string(payload))
		require.NoError(t, again.Close())
	})
}
