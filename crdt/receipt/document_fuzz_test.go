package receipt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// FuzzDocument reads any bytes as a document: refused, or written with the very bytes it was read from, unknown fields
// included. Its header reads the same alone.
func FuzzDocument(f *testing.F) {
	files, err := filepath.Glob("../../testdata/receipt/v1/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := receipt.ParseDocument(b)
		if err != nil {
			return
		}
		d.Check()
		again, err := d.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		h, err := receipt.ParseHeader(b)
		require.NoError(t, err)
		require.Equal(t, d.Number, h.Number)
		require.Equal(t, d.Till.ID, h.Till)
	})
}
