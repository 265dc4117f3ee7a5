package rows_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestSizeCountsWhatIsWritten(t *testing.T) {
	set := rows.Write{Key: []byte("key"), Value: []byte("value")}
	del := rows.Write{Key: []byte("key"), Value: []byte("ignored"), Delete: true}
	require.Equal(t, 3+5+rows.Overhead, set.Size())
	require.Equal(t, 3+rows.Overhead, del.Size())
	require.Equal(t, set.Size()+del.Size(), rows.Size([]rows.Write{set, del}))
}

func TestNextIsTheSmallestKeyAfter(t *testing.T) {
	key := []byte{1, 0xff}
	next := rows.Next(key)
	require.Equal(t, []byte{1, 0xff, 0}, next)
	require.Equal(t, 1, bytes.Compare(next, key))
	next[0] = 9
	require.Equal(t, []byte{1, 0xff}, key)
}

func TestCheckBatch(t *testing.T) {
	write := rows.Write{Key: []byte("k"), Value: make([]byte, 10)}
	two := []rows.Write{write, write}
	require.NoError(t, rows.CheckBatch(two, rows.Size(two), 2))
	require.ErrorIs(t, rows.CheckBatch(two, rows.Size(two)-1, 2), rows.ErrTooLarge)
	require.ErrorIs(t, rows.CheckBatch(two, rows.Size(two), 1), rows.ErrTooLarge)
	for _, key := range [][]byte{nil, {0, 1}, []byte("!a"), make([]byte, rows.MaxKey+1)} {
		require.ErrorIs(t, rows.CheckBatch([]rows.Write{write, {Key: key}}, 1<<20, 9), rows.ErrBadKey)
		require.ErrorIs(t, rows.CheckKeys([][]byte{{1}, key}), rows.ErrBadKey)
	}
	require.NoError(t, rows.CheckKeys([][]byte{bytes.Repeat([]byte{1}, rows.MaxKey), {0xff}}))
}
