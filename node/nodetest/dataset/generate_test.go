package dataset

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGeneratedSetHasTheShapeOfTheRealOnes(t *testing.T) {
	const articleCount, orderCount = 300, 1000
	articles, orders := Generate(1, articleCount, orderCount)
	require.Len(t, articles, articleCount)
	require.Len(t, orders, orderCount)

	list := make(map[string]int64)
	names := ""
	for _, a := range articles {
		require.NotContains(t, list, a.Key, "keys are unique")
		require.Equal(t, strings.TrimSpace(a.Name), a.Name)
		require.Positive(t, a.UnitMinor)
		list[a.Key] = a.UnitMinor
		names += a.Name + "\n"
	}
	for _, odd := range []string{"ß", "ö", ";", `"`, "&amp;", "\n-", "🥨", "面包", "„"} {
		require.Contains(t, names, odd)
	}

	before, longest, most, gaps := 0, 0, int64(0), 0
	for _, o := range orders {
		require.Greater(t, o.Number, before, "numbers rise")
		gaps += one(o.Number != before+1)
		before = o.Number
		require.True(t, civil(time.DateOnly, o.Date) && civil(time.TimeOnly, o.Time), "%s %s", o.Date, o.Time)
		require.NotEmpty(t, o.Lines)
		longest = max(longest, len(o.Lines))
		for _, l := range o.Lines {
			require.Contains(t, list, l.Article)
			most = max(most, l.Quantity)
		}
	}
	require.Greater(t, gaps, 100)
	require.Equal(t, 60, longest)
	require.Equal(t, int64(51*Piece), most)

	odd := oddities(orders)
	require.Positive(t, odd.duplicates)
	require.Positive(t, odd.earlier)
	require.Positive(t, odd.afterMidnight)

	changed := 0
	for _, prices := range soldPrices(orders) {
		changed += one(len(prices) > 1)
	}
	require.Greater(t, changed, articleCount/20)

	sum, err := SumOf(orders)
	require.NoError(t, err)
	require.Equal(t, orderCount, sum.Receipts)
	require.Greater(t, sum.Lines, 3*orderCount)
}

func TestGenerateDependsOnItsArgumentsOnly(t *testing.T) {
	articles, orders := Generate(9, 50, 200)
	sameArticles, sameOrders := Generate(9, 50, 200)
	require.Equal(t, articles, sameArticles)
	require.Equal(t, orders, sameOrders)
	_, others := Generate(10, 50, 200)
	require.NotEqual(t, orders, others)

	articles, orders = Generate(1, 0, 5)
	require.Empty(t, articles)
	require.Empty(t, orders)
}

func TestInventedNamesDiffer(t *testing.T) {
	seen := make(map[string]int)
	for i := range 20_000 {
		name := nameOf(i)
		if other, known := seen[name]; known {
			t.Fatalf("%d and %d are both called %q", other, i, name)
		}
		seen[name] = i
	}
}

func TestCheckDigit(t *testing.T) {
	require.Equal(t, byte('1'), checkDigit("400638133393"))
	require.Equal(t, byte('4'), checkDigit("9638507"))
}
