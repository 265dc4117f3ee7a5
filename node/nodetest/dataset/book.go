package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// orderBook gathers orders from rows that name them by number. The zero value is empty.
type orderBook struct {
	orders []Order
	index  map[int]int // number -> position in orders
}

func (b *orderBook) head(number, date, clock string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("order number: %w", err)
	}
	if i, known := b.index[n]; known {
		if o := b.orders[i]; o.Date != date || o.Time != clock {
			return fmt.Errorf("order %d is at %s %s and at %s %s", n, o.Date, o.Time, date, clock)
		}
		return nil
	}
	if err := validMoment(date, clock); err != nil {
		return fmt.Errorf("order %d: %w", n, err)
	}
	if b.index == nil {
		b.index = make(map[int]int)
	}
	b.index[n] = len(b.orders)
	b.orders = append(b.orders, Order{Number: n, Date: strings.Clone(date), Time: strings.Clone(clock)})
	return nil
}

func (b *orderBook) line(number string, l Line) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("order number: %w", err)
	}
	i, known := b.index[n]
	if !known {
		return fmt.Errorf("order %d has lines and no head", n)
	}
	b.orders[i].Lines = append(b.orders[i].Lines, l)
	return nil
}

// byNumber returns the orders rising by number. Sources differ in their order and the times do not always rise, so the
// number is the one order that every set has.
func (b *orderBook) byNumber() []Order {
	slices.SortFunc(b.orders, func(x, y Order) int { return cmp.Compare(x.Number, y.Number) })
	b.index = nil // the positions are gone
	return b.orders
}

func validMoment(date, clock string) error {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("date: %w", err)
	}
	if _, err := time.Parse(time.TimeOnly, clock); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	return nil
}
