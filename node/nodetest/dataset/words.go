package dataset

import (
	"fmt"
	"strings"
)

// Parts of invented German article names.
var (
	nameStarts = []string{
		"Ofen", "Land", "Hof", "Garten", "Kräuter", "Röst", "Süß", "Berg", "Müller", "Winter", "Nuss", "Kürbis",
		"Senf", "Zwiebel", "Sommer", "Insel", "Dünen", "Mühlen", "Wald", "Früh",
	}
	nameEnds = []string{
		"brötchen", "kuchen", "suppe", "käse", "stulle", "knödel", "schnecke", "limonade", "grütze", "auflauf",
		"spieß", "tasche", "kringel", "brause", "pfanne", "törtchen", "schorle", "rolle",
	}
	nameSizes = []string{"", " groß", " klein", " 250 g", " 0,5 l", " to go", " (vegan)", " 6 Stück"}
)

// nameOf returns the i-th invented name. Different i give different names.
func nameOf(i int) string {
	plain := plainName(i)
	switch i % 40 {
	case 3:
		return plain + `; mit "Soße"`
	case 7:
		return plain + " &amp; Beilage"
	case 11:
		return "-" + plain // a spreadsheet would take it for a formula
	case 13:
		return plain + " 🥨"
	case 17:
		return plain + " 面包"
	case 19:
		return plain + strings.Repeat(" mit noch mehr Röstzwiebeln", 5)
	case 23:
		return "„" + plain + "“ d’Été"
	default:
		return plain
	}
}

func plainName(i int) string {
	start := nameStarts[i%len(nameStarts)]
	i /= len(nameStarts)
	end := nameEnds[i%len(nameEnds)]
	i /= len(nameEnds)
	size := nameSizes[i%len(nameSizes)]
	if round := i / len(nameSizes); round > 0 {
		return fmt.Sprintf("%s%s%s Nr. %d", start, end, size, round+1)
	}
	return start + end + size
}

// checkDigit returns the last digit of the GTIN that begins with these digits.
func checkDigit(digits string) byte {
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		sum += int(digits[i]-'0') * weight
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10)
}
