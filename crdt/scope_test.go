package crdt

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

func TestScopeForms(t *testing.T) {
	owner := TillIDOf([]byte("a key"))
	scopes := []Scope{Shop, Catalog, Customers, Users, Stock, Sales, Payments, {Kind: 1, Owner: owner}, {Kind: 127}, {Kind: 127, Owner: owner}}
	for _, s := range scopes {
		r := codec.NewReader(s.Append(nil))
		require.Equal(t, s, ReadScope(r))
		require.NoError(t, r.Done())
		got, rest, err := CutScopeKey(append(s.AppendKey(nil), "rest"...))
		require.NoError(t, err)
		require.Equal(t, s, got)
		require.Equal(t, "rest", string(rest))
		for _, other := range scopes {
			require.Equal(t, s == other, bytes.HasPrefix(append(s.AppendKey(nil), 1), other.AppendKey(nil)))
			require.Equal(t, s == other, s.Compare(other) == 0)
		}
	}
	require.Equal(t, "catalog", Catalog.String())
	require.Equal(t, "kind99", Scope{Kind: 99}.String())
}

func TestReadScopeRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":        {},
		"zero":           {0},
		"too high":       {0xcc, 0x80},
		"negative":       {0xff},
		"empty bytes":    {0xc4, 0},
		"kind as bytes":  {0xc4, 1, 2},
		"short owner":    {0xc4, 3, 0x82, 1, 1},
		"owner of zeros": append([]byte{0xc4, 33, 0x82}, make([]byte, 32)...),
		"owner, kind 0":  append([]byte{0xc4, 33, 0x80}, bytes.Repeat([]byte{1}, 32)...),
		"longer":         append([]byte{0xc4, 34, 0x82}, bytes.Repeat([]byte{1}, 33)...),
	} {
		r := codec.NewReader(b)
		ReadScope(r)
		require.ErrorIs(t, r.Done(), codec.ErrMalformed, name)
	}
	for _, b := range [][]byte{nil, {0}, {0x80}, {0x82, 1, 2}} {
		_, _, err := CutScopeKey(b)
		require.ErrorIs(t, err, codec.ErrMalformed)
	}
}
