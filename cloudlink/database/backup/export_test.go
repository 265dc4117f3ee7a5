package backup

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

var fuzzed = table{name: "t", columns: []column{{name: "a", kind: typeInteger}, {name: "b", kind: typeBytes}, {name: "c", kind: typeText}}}

// Seeds are blocks of every kind.
func Seeds() [][]byte {
	row, err := fuzzed.appendRow(codec.AppendArray(nil, 1), []any{int64(-5), nil, "text"})
	if err != nil {
		panic(err)
	}
	return [][]byte{Header{Program: "v1"}.bytes(), fuzzed.bytes(), row, ending{blocks: 1}.bytes()}
}

// Decode reads a block as each kind; what is read is written again and read the same.
func Decode(t *testing.T, b []byte) {
	if h, err := readHeader(b); err == nil {
		again, err := readHeader(h.bytes())
		require.NoError(t, err)
		require.Equal(t, h, again)
	}
	if x, err := readTable(b); err == nil {
		again, err := readTable(x.bytes())
		require.NoError(t, err)
		require.True(t, x.same(again))
	}
	if e, err := readEnding(b); err == nil {
		again, err := readEnding(e.bytes())
		require.NoError(t, err)
		require.Equal(t, e, again)
	}
	_ = fuzzed.readRows(b, func(values []any) error {
		require.Len(t, values, 3)
		_, err := fuzzed.appendRow(nil, values)
		return err
	})
}
