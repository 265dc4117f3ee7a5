package rksv

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Places of the tax sets in [Amounts].
const (
	Normal   = iota // 20 %
	Reduced1        // Ermaessigt-1, 10 %
	Reduced2        // Ermaessigt-2, 13 %
	Zero            // Null, 0 %
	Special         // Besonders, 19 % (Jungholz and Mittelberg) and 4.9 %
	taxSets
)

// Amounts are the gross sums of a receipt per tax set, in cents.
type Amounts [taxSets]receipt.Amount

// Sum returns what the receipt comes to.
func (a Amounts) Sum() int64 {
	var sum int64
	for _, part := range a {
		sum += int64(part)
	}
	return sum
}

func (a Amounts) check() error {
	for _, part := range a {
		if err := part.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
	}
	return nil
}

// TaxSet returns the place of a tax rate in [Amounts]. It returns [ErrRequest] for a rate that is none of Austria's.
func TaxSet(rate receipt.Rate) (int, error) {
	switch rate {
	case 2000:
		return Normal, nil
	case 1000:
		return Reduced1, nil
	case 1300:
		return Reduced2, nil
	case 0:
		return Zero, nil
	case 1900, 490:
		return Special, nil
	}
	return 0, fmt.Errorf("%w: no Austrian tax set has %d basis points: correct the tax rate", ErrRequest, rate)
}

// amountText writes cents with a decimal comma and exactly two decimals.
func amountText(a receipt.Amount) string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	return fmt.Sprintf("%s%d,%02d", sign, a/100, a%100)
}

// parseAmount reads an amount; there is one spelling of each.
func parseAmount(s string) (receipt.Amount, error) {
	whole, rest, ok := strings.Cut(s, ",")
	if ok && len(rest) == 2 {
		if cents, err := strconv.ParseInt(whole+rest, 10, 64); err == nil {
			if a := receipt.Amount(cents); a.Check() == nil && amountText(a) == s {
				return a, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: %.40q is not an amount with a comma and two decimals", ErrFormat, s)
}
