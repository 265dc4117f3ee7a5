package figures

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Microsecond: "1.23 ms", 12345 * time.Microsecond: "12.3 ms", 1234 * time.Millisecond: "1234 ms", 12345 * time.Millisecond: "12.3 s",
	} {
		require.Equal(t, want, Duration(d))
	}
	require.Equal(t, "1.5 MB", Megabytes(1_500_000))
	require.Equal(t, "2 kB", Kilobytes(1_999))
	require.Equal(t, "0.50x", Times(int64(1), 2))
}

func TestMiddlesOfLists(t *testing.T) {
	list := []time.Duration{5, 1, 4, 2, 3}
	require.Equal(t, time.Duration(3), Median(list))
	require.Equal(t, time.Duration(5), Percentile(list, 99))
	require.Zero(t, Percentile(nil, 50))
	require.Zero(t, Median[int](nil))
}

func TestTableLinesUp(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Table(&b, [][]string{{"work", "ours"}, {"größer", "1"}}))
	require.Equal(t, "| work   | ours |\n|--------|------|\n| größer | 1    |\n", b.String())
	b.Reset()
	require.NoError(t, Table(&b, nil))
	require.Empty(t, b.String())
}

func TestFsyncTakesTime(t *testing.T) {
	took, err := Fsync(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, took)
	_, err = Fsync(t.TempDir() + "/none")
	require.Error(t, err)
}
