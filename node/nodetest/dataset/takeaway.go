package dataset

import (
	"fmt"
	"strings"
)

var (
	takeawayPricesTable = table{
		path: "takeaway/restaurant-1-products-price.csv", comma: ',',
		columns: []string{"Item Name", "Product Price"},
	}
	takeawayLinesTable = table{
		path: "takeaway/restaurant-1-orders.csv.gz", comma: ',',
		columns: []string{
			"Order Number", "Order Date", "Item Name", "Quantity", "Product Price", "Total products",
		},
	}
)

// Takeaway reads four years of orders of one takeaway. There are no article codes, so the name is the key. The orders
// rise by number, which their times do not always do; lines keep the order of the file, with its duplicates and with
// prices that differ from the list. The count of lines the source states is left out: it is wrong for many orders.
func Takeaway(dir Dir) ([]Article, []Order, error) {
	var articles []Article
	for r, err := range takeawayPricesTable.rows(dir) {
		if err != nil {
			return nil, nil, err
		}
		price, err := minorUnits(r.fields[1])
		if err != nil {
			return nil, nil, takeawayPricesTable.at(r, err)
		}
		name := strings.Clone(r.fields[0])
		articles = append(articles, Article{Key: name, Name: name, UnitMinor: price})
	}

	var book orderBook
	for r, err := range takeawayLinesTable.rows(dir) {
		if err != nil {
			return nil, nil, err
		}
		if err := takeawayLine(&book, r.fields); err != nil {
			return nil, nil, takeawayLinesTable.at(r, err)
		}
	}
	return articles, book.byNumber(), nil
}

func takeawayLine(book *orderBook, fields []string) error {
	date, clock, err := britishMoment(fields[1])
	if err != nil {
		return err
	}
	if err := book.head(fields[0], date, clock); err != nil {
		return err
	}
	quantity, err := pieces(fields[3])
	if err != nil {
		return err
	}
	price, err := minorUnits(fields[4])
	if err != nil {
		return err
	}
	return book.line(fields[0], Line{Article: strings.Clone(fields[2]), Quantity: quantity, UnitMinor: price})
}

// britishMoment turns 03/08/2019 20:25 into 2019-08-03 and 20:25:00.
func britishMoment(s string) (date, clock string, err error) {
	day, hour, spaced := strings.Cut(s, " ")
	parts := strings.Split(day, "/")
	if !spaced || len(parts) != 3 {
		return "", "", fmt.Errorf("time %q is not like 31/12/2019 20:25", s)
	}
	return parts[2] + "-" + parts[1] + "-" + parts[0], hour + ":00", nil
}
