package dataset

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// catalogueSum is what the control totals say about the article file.
type catalogueSum struct {
	Rows            int            `json:"rows"`
	DistinctEAN     int            `json:"distinct_ean"`
	ValidCheckDigit int            `json:"valid_check_digit"`
	EAN13           int            `json:"ean13"`
	EAN8            int            `json:"ean8"`
	DistinctNames   int            `json:"distinct_names"`
	Umlauts         int            `json:"names_with_umlaut_or_eszett"`
	Entities        int            `json:"names_with_html_entity"`
	OuterBlanks     int            `json:"names_with_outer_blank"`
	LongestName     int            `json:"longest_name_chars"`
	LongestText     int            `json:"longest_zutaten_chars"`
	WithText        int            `json:"rows_with_zutaten"`
	Languages       map[string]int `json:"rows_by_language"` // the six most frequent, "-" for none
	EANNameSHA256   string         `json:"ean_name_sha256"`
}

func sumCatalogue(rows []Row) catalogueSum {
	var sum catalogueSum
	eans, names, languages := make(map[string]bool), make(map[string]bool), make(map[string]int)
	var lines []string
	for _, r := range rows {
		sum.Rows++
		eans[r.EAN], names[r.Name] = true, true
		languages[cmp.Or(r.Language, "-")]++
		lines = append(lines, r.EAN+"\t"+r.Name+"\n")
		sum.ValidCheckDigit += one(validGTIN(r.EAN))
		sum.EAN13 += one(utf8.RuneCountInString(r.EAN) == 13)
		sum.EAN8 += one(utf8.RuneCountInString(r.EAN) == 8)
		sum.Umlauts += one(strings.ContainsAny(r.Name, "äöüßÄÖÜ"))
		sum.Entities += one(strings.Contains(r.Name, "&quot;") || strings.Contains(r.Name, "&amp;"))
		sum.OuterBlanks += one(r.Name != strings.TrimSpace(r.Name))
		sum.LongestName = max(sum.LongestName, utf8.RuneCountInString(r.Name))
		sum.LongestText = max(sum.LongestText, utf8.RuneCountInString(r.Ingredients))
		sum.WithText += one(strings.TrimSpace(r.Ingredients) != "")
	}
	sum.DistinctEAN, sum.DistinctNames = len(eans), len(names)
	slices.Sort(lines)
	sum.EANNameSHA256 = hash(strings.Join(lines, ""))
	frequent := slices.SortedFunc(maps.Keys(languages), func(a, b string) int {
		return cmp.Or(cmp.Compare(languages[b], languages[a]), cmp.Compare(a, b))
	})
	sum.Languages = make(map[string]int)
	for _, l := range frequent[:min(6, len(frequent))] {
		sum.Languages[l] = languages[l]
	}
	return sum
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// validGTIN checks the length and the check digit.
func validGTIN(code string) bool {
	if !allDigits(code) || !slices.Contains([]int{8, 12, 13, 14}, len(code)) {
		return false
	}
	return checkDigit(code[:len(code)-1]) == code[len(code)-1]
}

func TestRealDataCatalogueMatchesItsControlTotals(t *testing.T) {
	dir := Require(t)
	var files struct {
		Files map[string]fileSum `json:"files"`
	}
	require.NoError(t, control(dir, "catalogue_de", &files))
	requireFiles(t, dir, files.Files)

	var want catalogueSum
	require.NoError(t, control(dir, "catalogue_de", &want))
	var rows []Row
	for row, err := range Catalogue(dir) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	require.Equal(t, want, sumCatalogue(rows))
	require.Equal(t, 2, rows[0].Line)
}

func TestCatalogueEndsWithTheReader(t *testing.T) {
	dir := Require(t)
	seen := 0
	for _, err := range Catalogue(dir) {
		require.NoError(t, err)
		if seen++; seen == 10 {
			break
		}
	}
	require.Equal(t, 10, seen)
}

func TestGeneratedCatalogueHasTheFaultsOfARealOne(t *testing.T) {
	rows := GenerateCatalogue(3, 2000)
	sum := sumCatalogue(rows)
	require.Equal(t, 2000, sum.Rows)
	require.Less(t, sum.DistinctEAN, 2000, "a code used twice")
	require.Less(t, sum.DistinctNames, 2000)
	require.Less(t, sum.ValidCheckDigit, 2000)
	require.Greater(t, sum.ValidCheckDigit, 1900)
	require.Positive(t, sum.EAN8)
	require.Positive(t, sum.Umlauts)
	require.Positive(t, sum.Entities)
	require.Positive(t, sum.OuterBlanks)
	require.Greater(t, sum.LongestName, 140)
	require.Greater(t, sum.LongestText, 4000)
	require.Greater(t, sum.WithText, 200)
	require.Len(t, sum.Languages, 4)
	require.Equal(t, rows, GenerateCatalogue(3, 2000))
	require.NotEqual(t, rows, GenerateCatalogue(4, 2000))
	for _, r := range rows {
		require.True(t, utf8.ValidString(r.Name) && r.Name != "" && r.EAN != "")
	}
}
