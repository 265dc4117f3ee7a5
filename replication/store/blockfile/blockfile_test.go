package blockfile_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

var errForeign = errors.New("something else")

var format = &blockfile.Format{
	Magic: "testfile", Version: 1, Domain: "tillmesh test 1\n", MaxPlain: 1 << 10, Foreign: errForeign,
	Kinds: map[byte]string{'A': "first", 'E': "end"},
}

// file holds two blocks, of which the first can be packed.
func file(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := blockfile.NewWriter(&buf, format)
	require.NoError(t, err)
	require.NoError(t, w.Block('A', bytes.Repeat([]byte("till"), 100)))
	require.NoError(t, w.Block('E', []byte("end")))
	require.ErrorContains(t, w.Block('A', make([]byte, format.MaxPlain+1)), "at most 1024 fit")
	require.NoError(t, w.Close())
	require.EqualValues(t, buf.Len(), w.Bytes())
	return buf.Bytes()
}

// read reads blocks until the one that ends a file.
func read(b []byte) (blocks []string, err error) {
	r, err := blockfile.NewReader(bytes.NewReader(b), format)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for kind := byte(0); kind != 'E'; {
		var plain []byte
		if kind, plain, err = r.Next(); err != nil {
			return nil, err
		}
		blocks = append(blocks, string(plain))
	}
	return blocks, r.End()
}

func TestRoundTrip(t *testing.T) {
	got, err := read(file(t))
	require.NoError(t, err)
	require.Equal(t, []string{strings.Repeat("till", 100), "end"}, got)
}

// Files outlive the program that wrote them. What is stored may be packed otherwise by a later one.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/file.v1.hex")
	require.NoError(t, err)
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	got, err := read(raw)
	require.NoError(t, err)
	want, err := read(file(t))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Whatever happened to a file is found, and an end that is missing is told apart.
func TestDamageIsFound(t *testing.T) {
	whole := file(t)
	for at := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[at] ^= 1 << bit
			_, err := read(b)
			require.Error(t, err, "byte %d bit %d", at, bit)
			require.True(t, errors.Is(err, blockfile.ErrDamaged) || errors.Is(err, errForeign) || errors.Is(err, blockfile.ErrNewer), "byte %d: %v", at, err)
		}
	}
	for n := 1; n < len(whole); n++ {
		_, err := read(whole[:n])
		require.ErrorIs(t, err, blockfile.ErrCut, "%d bytes", n)
		require.ErrorIs(t, err, blockfile.ErrDamaged)
	}
	_, err := read(nil)
	require.ErrorIs(t, err, errForeign)
	_, err = read(append(bytes.Clone(whole), 0))
	require.ErrorIs(t, err, blockfile.ErrDamaged)
}

// FuzzReader reads any bytes: refused, or the same blocks when they are written again.
func FuzzReader(f *testing.F) {
	f.Add(file(f))
	f.Add(file(f)[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, err := read(b)
		if err != nil {
			return
		}
		require.NotEmpty(t, blocks)
		for _, plain := range blocks {
			require.LessOrEqual(t, len(plain), format.MaxPlain)
		}
	})
}
