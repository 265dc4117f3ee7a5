package dataset

import (
	"iter"
	"strings"
)

// Row is one row of an article file as it was exported, with all its faults: codes that are no EAN, codes used twice,
// names with HTML entities, blanks around them, or a leading minus.
type Row struct {
	Line        int    // in the unpacked file, from 1; 0 for an invented row
	EAN         string // 4 to 32 digits, not always with a right check digit
	Name        string
	Language    string // of the product picture, a hint only; may be empty
	Alcohol     string // as exported, nearly always empty
	Ingredients string // up to several thousand characters
}

var catalogueTable = table{
	path:    "catalogue_de/catalogue_de.csv.gz",
	comma:   ';',
	columns: []string{"ean", "bezeichnung", "sprache", "alkohol", "zutaten"},
}

// Catalogue reads the article file row by row, in its order, without mending anything. It ends after the first error.
func Catalogue(dir Dir) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for r, err := range catalogueTable.rows(dir) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			row := Row{
				Line:        r.line,
				EAN:         strings.Clone(r.fields[0]),
				Name:        strings.Clone(r.fields[1]),
				Language:    strings.Clone(r.fields[2]),
				Alcohol:     strings.Clone(r.fields[3]),
				Ingredients: strings.Clone(r.fields[4]),
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
