package dataset

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// sold is one line as Add takes it.
type sold struct {
	order           int
	date, article   string
	quantity, price int64
}

var someLines = []sold{
	{10, "2020-01-02", "Tee", 2000, 150},
	{10, "2020-01-02", "Tee", 2000, 150},
	{9, "2020-01-02", "Öl", 1000, 0},
	{9, "2020-01-03", "Tee", -1000, 150},
	{9, "2020-01-03", "tee; \"kalt\"", 3000, 99},
}

func TestTotalsTexts(t *testing.T) {
	var totals Totals
	require.Equal(t, Sum{PerDay: hash(""), PerReceipt: hash(""), PerArticle: hash("")}, totals.Sum())
	for _, l := range someLines {
		require.NoError(t, totals.Add(l.order, l.date, l.article, l.quantity, l.price))
	}
	// A receipt counts on every day of its lines; keys are sorted as bytes, so 10 comes before 9 and Ö after t.
	require.Equal(t, "2020-01-02;2;3;5;600\n2020-01-03;1;2;2;147\n", totals.PerDay())
	require.Equal(t, "10;2;4;600\n9;3;3;147\n", totals.PerReceipt())
	require.Equal(t, "Tee;3;3;450\ntee; \"kalt\";1;3;297\nÖl;1;1;0\n", totals.PerArticle())
	require.Equal(t, Sum{
		Receipts: 2, Lines: 5, Articles: 3, Pieces: 7, Minor: 747, Days: 2,
		FirstDay: "2020-01-02", LastDay: "2020-01-03", NegativePieces: 1, ZeroPrices: 1, NegativeMinor: 1,
		// SHA-256 of the three texts above, computed with sha256sum.
		PerDay:     "51e4291e90f2007c111272b081e92f9841d180f75c6510191f54ff1392460a8f",
		PerReceipt: "1fe90acf1d40eb87afe249ffaece64123fe3fb8292d8c15746187eedbf397e68",
		PerArticle: "5a970cbb3588d9b2804e30846891dc5d2909aa8da8c53fd58eb048bdd1bd4b5d",
	}, totals.Sum())
}

func TestTotalsDoNotDependOnTheOrderOfLines(t *testing.T) {
	const seed = 5
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var want Sum
	for round := range 20 {
		var totals Totals
		for _, i := range random.Perm(len(someLines)) {
			l := someLines[i]
			require.NoError(t, totals.Add(l.order, l.date, l.article, l.quantity, l.price))
		}
		if round == 0 {
			want = totals.Sum()
		}
		require.Equal(t, want, totals.Sum())
	}
}

func TestTotalsTellOneChangedLine(t *testing.T) {
	sum := func(change func(*sold)) Sum {
		var totals Totals
		for i, l := range someLines {
			if i == 1 {
				change(&l)
			}
			require.NoError(t, totals.Add(l.order, l.date, l.article, l.quantity, l.price))
		}
		return totals.Sum()
	}
	right := sum(func(*sold) {})
	require.NotEqual(t, right, sum(func(l *sold) { l.order = 11 }))
	require.NotEqual(t, right, sum(func(l *sold) { l.date = "2020-01-04" }))
	require.NotEqual(t, right, sum(func(l *sold) { l.article = "Öl" }))
	require.NotEqual(t, right, sum(func(l *sold) { l.quantity = 1000 }))
	require.NotEqual(t, right, sum(func(l *sold) { l.price = 151 }))
}

func TestTotalsRefuseWhatTheyCannotCountAndKeepTheRest(t *testing.T) {
	var totals Totals
	require.NoError(t, totals.Add(1, "2020-01-02", "Tee", 1000, math.MaxInt64))
	before := totals.Sum()
	for _, l := range []sold{
		{1, "02.01.2020", "Tee", 1000, 1},
		{1, "2020-02-30", "Tee", 1000, 1},
		{1, "2020-01-02", "Tee", 1500, 1},
		{1, "2020-01-02", "Tee", 1, 1},
		{1, "2020-01-02", "Tee", 2000, math.MaxInt64},
		{1, "2020-01-02", "Tee", -1000, math.MinInt64},
		{2, "2020-01-03", "Öl", 1000, 1}, // only the sum of all overflows
	} {
		require.ErrorIs(t, totals.Add(l.order, l.date, l.article, l.quantity, l.price), ErrLine, "%+v", l)
	}
	require.Equal(t, before, totals.Sum())
}
