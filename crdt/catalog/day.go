package catalog

import (
	"fmt"
	"strings"
	"time"
)

// DayOne is a start date before all business days: a value that starts there holds from the beginning.
const DayOne = "0001-01-01"

// CheckDay refuses anything but a date of the calendar written YYYY-MM-DD, from [DayOne] to 9999-12-31. Dates in this
// one form sort as text, so nothing here ever does arithmetic with them.
func CheckDay(day string) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil || day < DayOne || len(day) != len(DayOne) {
		if len(day) > 40 {
			day = day[:40] + "…"
		}
		return fmt.Errorf("%w: %q is not a date such as 2026-01-31", ErrInvalid, day)
	}
	return nil
}

// startOf returns the start date in the name of a dated register, and whether it is one.
func startOf(register, prefix string) (string, bool) {
	day, ok := strings.CutPrefix(register, prefix)
	return day, ok && CheckDay(day) == nil
}

// latest returns the index of the last start that is not after the day and counts, -1 if there is none. Starts are in
// ascending order.
func latest(n int, day string, start func(int) (from string, counts bool)) int {
	for i := n - 1; i >= 0; i-- {
		if from, counts := start(i); counts && from <= day {
			return i
		}
	}
	return -1
}
