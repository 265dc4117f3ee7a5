package dataset

import "fmt"

// Article is something a set sells.
type Article struct {
	Key       string // what lines and totals call it: a code where the set has one, else the name
	Name      string // for people
	Group     string // empty where the set has none
	UnitMinor int64  // list price of one piece in minor units; a line may have been sold at another
}

// Order is what one customer bought at one time.
type Order struct {
	Number int    // unique in the set, with gaps
	Date   string // civil date, 2006-01-02
	Time   string // civil time of day without a zone, 15:04:05; it does not always rise with the number
	Lines  []Line // in the order of the source; exact duplicates are meant
}

// Line is one line of an order.
type Line struct {
	Article   string // the Key of an [Article]
	Quantity  int64  // thousandths, always whole pieces
	UnitMinor int64  // what one piece was sold for, in minor units
}

// SumOf returns the totals of these orders.
func SumOf(orders []Order) (Sum, error) {
	var totals Totals
	for _, o := range orders {
		for _, l := range o.Lines {
			if err := totals.Add(o.Number, o.Date, l.Article, l.Quantity, l.UnitMinor); err != nil {
				return Sum{}, fmt.Errorf("sum up orders: %w", err)
			}
		}
	}
	return totals.Sum(), nil
}
