package demo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAssortment(t *testing.T) {
	a, err := readAssortment()
	require.NoError(t, err)
	require.Len(t, a.groups(), 5)
	taxes := map[int64]string{1900: "normal", 700: "reduced"}
	articles := a.articles(taxes)
	require.Len(t, articles, 40)
	seen := make(map[string]bool)
	used := make(map[string]bool)
	for _, r := range articles {
		require.Len(t, r.Barcodes, 1)
		for _, key := range []string{r.ID, r.PLU, r.Barcodes[0], r.Names["de"]} {
			require.NotEmpty(t, key)
			require.False(t, seen[key], "%s twice", key)
			seen[key] = true
		}
		require.Regexp(t, `^2[0-9]{12}$`, r.Barcodes[0], "of the range for use in one shop")
		require.True(t, checkDigit(r.Barcodes[0]), r.Barcodes[0])
		require.Len(t, r.Prices, 1)
		require.Positive(t, r.Prices[0].Price)
		require.NotEmpty(t, r.Prices[0].Tax)
		used[r.Prices[0].Tax] = true
	}
	require.Len(t, used, 2)
	for _, name := range append([]string{dearer, "Milchkaffee", "Buttercroissant"}, ordered...) {
		require.True(t, seen[name], "the play sells %s", name)
	}
	require.GreaterOrEqual(t, len(ordered), MostTills-1)
}

// checkDigit verifies an EAN-13.
func checkDigit(code string) bool {
	sum := 0
	for i, c := range strings.Split(code, "") {
		n := int(c[0] - '0')
		if i%2 == 1 {
			n *= 3
		}
		sum += n
	}
	return sum%10 == 0
}
