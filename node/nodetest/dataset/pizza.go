package dataset

import (
	"fmt"
	"strings"
)

var (
	pizzaTypesTable = table{
		path: "pizza/pizza_types.csv", comma: ',', cp1252: true,
		columns: []string{"pizza_type_id", "name", "category", "ingredients"},
	}
	pizzaPricesTable = table{
		path: "pizza/pizzas.csv", comma: ',', cp1252: true,
		columns: []string{"pizza_id", "pizza_type_id", "size", "price"},
	}
	pizzaHeadsTable = table{
		path: "pizza/orders.csv.gz", comma: ',', cp1252: true,
		columns: []string{"order_id", "date", "time"},
	}
	// The file begins with an empty line, which rows passes over.
	pizzaLinesTable = table{
		path: "pizza/order_details.csv.gz", comma: ',', cp1252: true,
		columns: []string{"order_details_id", "order_id", "pizza_id", "quantity"},
	}
)

// Pizza reads one year of a pizzeria: heads and lines in separate files, prices that never change, nothing odd. The
// articles are the price list in its order, also those never sold; the orders rise by number.
func Pizza(dir Dir) ([]Article, []Order, error) {
	articles, err := pizzaArticles(dir)
	if err != nil {
		return nil, nil, err
	}
	prices := make(map[string]int64, len(articles))
	for _, a := range articles {
		prices[a.Key] = a.UnitMinor
	}

	var book orderBook
	for r, err := range pizzaHeadsTable.rows(dir) {
		if err != nil {
			return nil, nil, err
		}
		if err := book.head(r.fields[0], r.fields[1], r.fields[2]); err != nil {
			return nil, nil, pizzaHeadsTable.at(r, err)
		}
	}
	for r, err := range pizzaLinesTable.rows(dir) {
		if err != nil {
			return nil, nil, err
		}
		number, key := r.fields[1], strings.Clone(r.fields[2])
		price, ok := prices[key]
		if !ok {
			return nil, nil, pizzaLinesTable.at(r, fmt.Errorf("article %q has no price", key))
		}
		quantity, err := pieces(r.fields[3])
		if err != nil {
			return nil, nil, pizzaLinesTable.at(r, err)
		}
		if err := book.line(number, Line{Article: key, Quantity: quantity, UnitMinor: price}); err != nil {
			return nil, nil, pizzaLinesTable.at(r, err)
		}
	}
	return articles, book.byNumber(), nil
}

func pizzaArticles(dir Dir) ([]Article, error) {
	type kind struct{ name, group string }
	kinds := make(map[string]kind)
	for r, err := range pizzaTypesTable.rows(dir) {
		if err != nil {
			return nil, err
		}
		kinds[strings.Clone(r.fields[0])] = kind{name: strings.Clone(r.fields[1]), group: strings.Clone(r.fields[2])}
	}
	var articles []Article
	for r, err := range pizzaPricesTable.rows(dir) {
		if err != nil {
			return nil, err
		}
		k, ok := kinds[r.fields[1]]
		if !ok {
			return nil, pizzaPricesTable.at(r, fmt.Errorf("unknown type %q", r.fields[1]))
		}
		price, err := minorUnits(r.fields[3])
		if err != nil {
			return nil, pizzaPricesTable.at(r, err)
		}
		articles = append(articles, Article{
			Key: strings.Clone(r.fields[0]), Name: k.name + " " + r.fields[2], Group: k.group, UnitMinor: price,
		})
	}
	return articles, nil
}
