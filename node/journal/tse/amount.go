package tse

import (
	"slices"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Currencies (ISO 4217) whose minor unit is not a hundredth.
var (
	wholes      = []string{"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
	thousandths = []string{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
)

// amountText writes minor units of a currency with a decimal point and exactly two decimals; thousandths are rounded
// half away from zero.
func amountText(a receipt.Amount, currency string) string {
	hundredths := int64(a)
	switch {
	case slices.Contains(wholes, currency):
		hundredths *= 100
	case slices.Contains(thousandths, currency):
		if a < 0 {
			hundredths -= 5
		} else {
			hundredths += 5
		}
		hundredths /= 10
	}
	return fixed(hundredths, 2)
}

// quantityText writes thousandths with as few decimals as possible.
func quantityText(q receipt.Quantity) string {
	n, decimals := int64(q), 3
	for decimals > 0 && n%10 == 0 {
		n, decimals = n/10, decimals-1
	}
	return fixed(n, decimals)
}

// fixed writes n as a number with decimals.
func fixed(n int64, decimals int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := strconv.FormatInt(n, 10)
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	if decimals == 0 {
		return sign + digits
	}
	point := len(digits) - decimals
	return sign + digits[:point] + "." + digits[point:]
}
