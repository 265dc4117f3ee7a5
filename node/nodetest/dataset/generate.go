package dataset

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Generate invents sales of the shape of the real ones: German names with odd characters (none with blanks around it),
// orders of 1 to 60 lines with gaps in their numbers, times that do not always rise, orders after midnight, articles
// whose price changes, lines sold off the list price, exact duplicate lines, up to 51 pieces a line. The same
// arguments give the same set; [SumOf] gives its totals. Fewer than one article means no orders either.
func Generate(seed uint64, articles, orders int) ([]Article, []Order) {
	random := rand.New(rand.NewPCG(seed, 0))
	list := make([]Article, 0, max(articles, 0))
	for i := range articles {
		name := nameOf(i)
		list = append(list, Article{Key: name, Name: name, UnitMinor: 50 + 5*random.Int64N(400)})
	}
	if len(list) == 0 {
		return nil, nil
	}

	book := make([]Order, 0, max(orders, 0))
	number := 600
	for i := range orders {
		number += 1 + random.IntN(2)
		at := momentOf(random, i)
		book = append(book, Order{
			Number: number,
			Date:   at.Format(time.DateOnly),
			Time:   at.Format(time.TimeOnly),
			Lines:  linesOf(random, list, i, i >= orders/2),
		})
	}
	return list, book
}

// ordersPerDay spreads over opening hours from 11 to 22 h.
const ordersPerDay = 12

func momentOf(random *rand.Rand, i int) time.Time {
	day := i / ordersPerDay
	day += day / 6 // closed one day a week
	minute := 11*60 + i%ordersPerDay*55 + random.IntN(55)
	switch {
	case i%90 == 31:
		minute = 24*60 + random.IntN(120) // after midnight, so on the next civil day
	case i%60 == 17:
		minute -= 90 // entered late
	}
	return time.Date(2021, time.March, 1+day, 0, minute, 0, 0, time.UTC)
}

func linesOf(random *rand.Rand, list []Article, i int, newPrices bool) []Line {
	count := 1 + random.IntN(8)
	if i%400 == 43 {
		count = 60
	}
	lines := make([]Line, 0, count+1)
	for range count {
		k := random.IntN(len(list))
		price := list[k].UnitMinor
		if newPrices && k%20 == 0 {
			price += 30
		}
		if random.IntN(100) == 0 {
			price += 100 // as agreed at the counter
		}
		pieces := int64(1)
		if random.IntN(5) == 0 {
			pieces += random.Int64N(4)
		}
		if i%300 == 7 {
			pieces = 51
		}
		lines = append(lines, Line{Article: list[k].Key, Quantity: pieces * Piece, UnitMinor: price})
	}
	if i%40 == 5 {
		lines = append(lines, lines[random.IntN(len(lines))]) // entered twice
	}
	return lines
}

// GenerateCatalogue invents an article file with the faults of a real one: codes with a wrong check digit or of an
// impossible length, a code used twice, names that repeat, have blanks around them or HTML entities, very long texts.
// The same arguments give the same rows.
func GenerateCatalogue(seed uint64, rows int) []Row {
	random := rand.New(rand.NewPCG(seed, 1))
	file := make([]Row, 0, max(rows, 0))
	for i := range rows {
		row := Row{EAN: eanOf(i), Name: nameOf(i), Language: []string{"de", "de", "", "fr", "en"}[random.IntN(5)]}
		switch i % 100 {
		case 21:
			row.EAN = row.EAN[:len(row.EAN)-1] + string('0'+(row.EAN[len(row.EAN)-1]-'0'+1)%10)
		case 22:
			row.Name = file[i-1-random.IntN(20)].Name
		case 24:
			row.Name = " " + row.Name + "  "
		case 25:
			row.Name += " &quot;extra&quot;"
		}
		switch i % 1000 {
		case 31:
			row.EAN = "4012"
		case 32:
			row.EAN = "40" + strings.Repeat("0", 22) + fmt.Sprintf("%08d", i)
		case 33:
			row.EAN = file[i-20].EAN
		}
		if random.IntN(3) == 0 {
			row.Ingredients = ingredientsOf(random, 1+random.IntN(12))
		}
		if i%500 == 41 {
			row.Ingredients = ingredientsOf(random, 600)
		}
		file = append(file, row)
	}
	return file
}

// eanOf returns the i-th code: EAN-13 of the German range, now and then an EAN-8.
func eanOf(i int) string {
	digits := fmt.Sprintf("400%09d", i)
	if i%16 == 9 && i < 100_000 {
		digits = fmt.Sprintf("40%05d", i)
	}
	return digits + string(checkDigit(digits))
}

func ingredientsOf(random *rand.Rand, count int) string {
	parts := make([]string, count)
	for i := range parts {
		parts[i] = nameStarts[random.IntN(len(nameStarts))] + nameEnds[random.IntN(len(nameEnds))]
	}
	return strings.Join(parts, ", ")
}
