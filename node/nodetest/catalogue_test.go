package nodetest_test

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/dataset"
)

// batchRows is how many rows of a file go into one request.
const batchRows = 1000

// TestRealDataCatalogue imports an article file while the same till sells: the import never blocks a sale, every row is
// accepted or rejected with a reason, and another till ends with the same articles.
func TestRealDataCatalogue(t *testing.T) {
	t.Parallel()
	rows := catalogueRows(t)
	shop := nodetest.Open(t, 2)
	till, other := shop.Tills[0], shop.Tills[1]
	tax := till.PutTax(1900)
	coffee := till.PutArticle("Kaffee", 290, tax)
	before := len(allArticles(t, till))

	selling := startSelling(t, till, coffee)
	begin := time.Now()
	ids := make(map[string]bool)
	var accepted, rejected, unchanged int
	for part := range slices.Chunk(rows, batchRows) {
		batch, err := till.API().PutArticles(t.Context(), articlesOf(part, tax))
		require.NoError(t, err)
		var refused []int
		for _, r := range batch.Rejected {
			require.NotEmpty(t, r.Code)
			require.NotEmpty(t, r.Detail)
			refused = append(refused, r.Index)
		}
		require.ElementsMatch(t, badRows(part), refused, "%+v", batch.Rejected)
		for i, row := range part {
			if !slices.Contains(refused, i) {
				ids[idOf(row)] = true
			}
		}
		accepted, rejected, unchanged = accepted+batch.Accepted, rejected+len(batch.Rejected), unchanged+batch.Unchanged
	}
	spent := time.Since(begin)
	latency := selling.stop(t)
	require.Equal(t, len(rows), accepted+unchanged+rejected)
	t.Logf("%d rows imported in %v (%.0f a second), %d accepted, %d unchanged, %d rejected", len(rows), spent.Round(time.Millisecond),
		float64(len(rows))/spent.Seconds(), accepted, unchanged, rejected)
	t.Logf("meanwhile %d lines were added: p50 %v, p99 %v, longest %v", len(latency), quantile(latency, 0.5), quantile(latency, 0.99),
		quantile(latency, 1))

	t.Logf("equal after %v", shop.EqualWithin(time.Minute).Round(time.Millisecond))
	here, there := allArticles(t, till), allArticles(t, other)
	require.Len(t, here, before+len(ids))
	require.Equal(t, here, there)
}

// catalogueRows returns the whole file if it was asked for and is there, else an invented one of the same shape.
func catalogueRows(t *testing.T) []dataset.Row {
	t.Helper()
	const seed, sample, whole = 3, 2_000, 45_010
	dir, there := dataset.Open()
	full := os.Getenv(nodetest.EnvFull) == "1"
	switch {
	case full && there:
		var rows []dataset.Row
		for row, err := range dataset.Catalogue(dir) {
			require.NoError(t, err)
			rows = append(rows, row)
		}
		require.Len(t, rows, whole)
		return rows
	case full:
		if os.Getenv(dataset.EnvRequired) == "1" {
			dataset.Require(t)
		}
		t.Logf("the file is absent, one of its size is invented with seed %d", seed)
		return dataset.GenerateCatalogue(seed, whole)
	}
	t.Logf("seed %d", seed)
	return dataset.GenerateCatalogue(seed, sample)
}

// idOf is the ID of a row's article: rows with the same code are the same article.
func idOf(row dataset.Row) string { return nodetest.IDOf("article " + row.EAN) }

func articlesOf(part []dataset.Row, tax string) []client.Article {
	list := make([]client.Article, len(part))
	for i, row := range part {
		list[i] = nodetest.NewArticle(idOf(row), row.Name, 199, tax)
		list[i].Barcodes = []string{row.EAN}
	}
	return list
}

// badRows returns the indexes of the rows that a till must reject: names that are empty, too long or hold control
// characters (some real names do, from a wrong encoding), and the same article a second time in one request. Codes
// are taken whether or not their check digit is right.
func badRows(part []dataset.Row) (indexes []int) {
	seen := make(map[string]bool)
	for i, row := range part {
		empty := strings.TrimSpace(row.Name) == ""
		if seen[row.EAN] || empty || utf8.RuneCountInString(row.Name) > 200 || strings.ContainsFunc(row.Name, unicode.IsControl) {
			indexes = append(indexes, i)
		}
		seen[row.EAN] = true
	}
	return indexes
}

func allArticles(t *testing.T, till *nodetest.Till) []client.Article {
	t.Helper()
	list, err := till.API().AllArticles(t.Context(), client.List{})
	require.NoError(t, err)
	return list
}

// selling adds lines on a till, one after the other, and measures how long each takes.
type selling struct {
	end     chan struct{}
	running sync.WaitGroup
	took    []time.Duration
	err     error
}

func startSelling(t *testing.T, till *nodetest.Till, article string) *selling {
	t.Helper()
	s := &selling{end: make(chan struct{})}
	api := till.API()
	s.running.Go(func() {
		var tab client.Tab
		for n := 0; s.err == nil; n++ {
			select {
			case <-s.end:
				return
			case <-t.Context().Done():
				return
			default:
			}
			if n%100 == 0 { // a tab has at most 500 lines
				if tab, s.err = api.OpenTab(t.Context(), client.NewTab{}); s.err != nil {
					return
				}
			}
			begin := time.Now()
			_, s.err = api.AddLine(t.Context(), tab.ID, client.NewLine{Article: article})
			s.took = append(s.took, time.Since(begin))
		}
	})
	return s
}

// stop ends the selling and returns the times, the shortest first.
func (s *selling) stop(t *testing.T) []time.Duration {
	t.Helper()
	close(s.end)
	s.running.Wait()
	require.NoError(t, s.err, "the sale during the import")
	require.NotEmpty(t, s.took)
	slices.Sort(s.took)
	return s.took
}

// quantile returns the value that this share of sorted values does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Round(10 * time.Microsecond)
}
