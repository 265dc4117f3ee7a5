package receipt

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Amount is money in minor units (cents) of the receipt's currency, at most [MaxAmount] either way.
type Amount int64

// Quantity is a number of units in thousandths (1.5 kg is 1500), at most [MaxQuantity] either way.
type Quantity int64

// Rate is a share in basis points: 1900 is 19 %. Tax rates and discounts are from 0 to [MaxRate].
type Rate int64

// Limits of the three types. An amount stays far below 2^53, so that every JSON reader holds it exactly.
const (
	MaxAmount   Amount   = 10_000_000_000_000 // 100 billion euros
	MaxQuantity Quantity = 1_000_000_000      // one million units
	MaxRate     Rate     = 10_000             // 100 %
)

// maxShares keeps the sum of the weights of [Shares] within 64 bits.
const maxShares = 1 << 20

// Errors of the arithmetic. All are wrapped with the numbers they are about.
var (
	// ErrOverflow means that an amount or quantity, given or computed, is beyond its limit.
	ErrOverflow = errors.New("number too large")
	// ErrRate means that a tax rate or a percentage is below 0 or above 100 %.
	ErrRate = errors.New("rate is not between 0 and 100 %")
	// ErrShares means that there is nothing to share an amount over.
	ErrShares = errors.New("nothing to share the amount over")
)

// Check returns [ErrOverflow] if the amount is beyond [MaxAmount] either way.
func (a Amount) Check() error {
	if a > MaxAmount || a < -MaxAmount {
		return fmt.Errorf("%w: amount %d, the limit is %d minor units", ErrOverflow, a, MaxAmount)
	}
	return nil
}

// Check returns [ErrOverflow] if the quantity is beyond [MaxQuantity] either way.
func (q Quantity) Check() error {
	if q > MaxQuantity || q < -MaxQuantity {
		return fmt.Errorf("%w: quantity %d, the limit is %d thousandths", ErrOverflow, q, MaxQuantity)
	}
	return nil
}

// Check returns [ErrRate] if the rate is below 0 or above [MaxRate].
func (r Rate) Check() error {
	if r < 0 || r > MaxRate {
		return fmt.Errorf("%w: %d basis points", ErrRate, r)
	}
	return nil
}

// Add returns a + b. It returns [ErrOverflow] if either of them or the sum is beyond [MaxAmount].
func (a Amount) Add(b Amount) (Amount, error) {
	if err := errors.Join(a.Check(), b.Check()); err != nil {
		return 0, err
	}
	sum := a + b
	return sum, sum.Check()
}

// Mul returns the price of q units that cost a each, rounded half away from zero to a minor unit. It returns
// [ErrOverflow] if a, q or the result is beyond its limit.
func (a Amount) Mul(q Quantity) (Amount, error) {
	if err := errors.Join(a.Check(), q.Check()); err != nil {
		return 0, err
	}
	return scale(a, q < 0, magnitude(q), 1000)
}

// Percent returns the share r of a, rounded half away from zero to a minor unit. It returns [ErrOverflow] or
// [ErrRate] if a or r is out of its limits.
func (a Amount) Percent(r Rate) (Amount, error) {
	if err := errors.Join(a.Check(), r.Check()); err != nil {
		return 0, err
	}
	return scale(a, false, uint64(r), uint64(MaxRate))
}

// scale returns a * by / div, negated if negate is set, rounded half away from zero. The product has 128 bits. Working
// on magnitudes makes the result of -a the exact mirror of the result of a.
func scale(a Amount, negate bool, by, div uint64) (Amount, error) {
	hi, lo := bits.Mul64(magnitude(a), by)
	lo, carry := bits.Add64(lo, div/2, 0)
	hi += carry
	if hi >= div {
		return 0, fmt.Errorf("%w: %d * %d / %d", ErrOverflow, a, by, div)
	}
	quotient, _ := bits.Div64(hi, lo, div)
	if quotient > uint64(MaxAmount) {
		return 0, fmt.Errorf("%w: %d * %d / %d, the limit is %d minor units", ErrOverflow, a, by, div, MaxAmount)
	}
	result := Amount(quotient)
	if (a < 0) != negate {
		result = -result
	}
	return result, nil
}

// Shares cuts total into one part per weight by largest remainder, so that the parts sum to total to the minor unit.
//
// A part is in proportion to its weight; what rounding down leaves goes, one minor unit each, to the largest
// remainders, of equal ones to the lower index. Only weights with the sign of their sum take part, the others get
// zero: a returned bottle on a bill gets no part of the bill's discount. So no part has another sign than total, none
// is larger than total, and none is larger than its weight while total is not larger than the sum of the weights.
// Weights that cancel to a sum of zero all take part by their magnitude; if all are zero the parts are equal.
// Negating total negates every part; negating all weights changes nothing.
//
// It returns [ErrOverflow] if total or a weight is beyond [MaxAmount] or there are more than 2^20 weights, and
// [ErrShares] if there are no weights for a total that is not zero.
func Shares(total Amount, weights []Amount) ([]Amount, error) {
	if err := total.Check(); err != nil {
		return nil, err
	}
	if len(weights) > maxShares {
		return nil, fmt.Errorf("%w: %d shares, the limit is %d", ErrOverflow, len(weights), maxShares)
	}
	if len(weights) == 0 && total != 0 {
		return nil, fmt.Errorf("%w: %d", ErrShares, total)
	}
	pull, sum, err := pulls(weights)
	if err != nil {
		return nil, err
	}
	parts := make([]Amount, len(weights))
	if total == 0 {
		return parts, nil
	}
	remainders := make([]uint64, len(weights))
	order := make([]int, len(weights))
	left := magnitude(total)
	for i, p := range pull {
		hi, lo := bits.Mul64(magnitude(total), p)
		quotient, remainder := bits.Div64(hi, lo, sum) // hi < sum because p <= sum
		parts[i], remainders[i], order[i] = Amount(quotient), remainder, i
		left -= quotient
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case remainders[i] > remainders[j]:
			return -1
		case remainders[i] < remainders[j]:
			return 1
		}
		return 0
	})
	// What is left is less than the number of remainders above zero, so a weight of zero never gets any of it.
	for _, i := range order[:left] {
		parts[i]++
	}
	if total < 0 {
		for i := range parts {
			parts[i] = -parts[i]
		}
	}
	return parts, nil
}

// pulls turns weights into what each counts in [Shares], and their sum, which is above zero unless there are none.
func pulls(weights []Amount) (pull []uint64, sum uint64, err error) {
	var positive, negative uint64
	for _, w := range weights {
		if err := w.Check(); err != nil {
			return nil, 0, fmt.Errorf("weight of a share: %w", err)
		}
		if w > 0 {
			positive += magnitude(w)
		} else {
			negative += magnitude(w)
		}
	}
	pull = make([]uint64, len(weights))
	for i, w := range weights {
		switch {
		case positive == 0 && negative == 0:
			pull[i] = 1
		case w > 0 && positive >= negative, w < 0 && negative >= positive:
			pull[i] = magnitude(w)
		}
		sum += pull[i]
	}
	return pull, sum, nil
}

func magnitude[T ~int64](x T) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}
