package dataset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Piece is the quantity of one piece: quantities are thousandths.
const Piece = 1000

// errNumber is wrapped by every error about a number that cannot be taken exactly.
var errNumber = errors.New("not a number this set may hold")

// minorUnits reads a decimal price with at most two decimals, such as "12", "0.5" or "-3.95", as minor units.
func minorUnits(s string) (int64, error) {
	whole, cents, dotted := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if digits == "" || !allDigits(digits) || dotted && (cents == "" || len(cents) > 2 || !allDigits(cents)) {
		return 0, fmt.Errorf("price %q: %w", s, errNumber)
	}
	// Moving the point two places to the right needs no arithmetic, so nothing is rounded and nothing overflows unseen.
	moved := whole + cents + strings.Repeat("0", 2-len(cents))
	minor, err := strconv.ParseInt(moved, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("price %q: %w", s, err)
	}
	return minor, nil
}

// pieces reads a whole number of pieces as thousandths.
func pieces(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("quantity %q: %w", s, err)
	}
	thousandths, ok := times(n, Piece)
	if !ok {
		return 0, fmt.Errorf("quantity %q: %w", s, errNumber)
	}
	return thousandths, nil
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// times multiplies and reports false on overflow.
func times(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	product := a * b
	// The quotient alone would miss the smallest int64 times -1; the sign does not.
	return product, product/b == a && (product < 0) == ((a < 0) != (b < 0))
}

// plus adds and reports false on overflow.
func plus(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}
