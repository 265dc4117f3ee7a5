package tse

import (
	"fmt"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Slots of the gross sums in a Kassenbeleg-V1.
const (
	slotGeneral  = iota // general rate
	slotReduced         // reduced rate
	slotAverage3        // average rate, § 24 (1) no. 3 UStG
	slotAverage1        // average rate, § 24 (1) no. 1 UStG
	slotZero            // no German tax: zero rate, exempt, not taxable, foreign
	slots
)

// slotsByRate places taxes that have no key: the rates of the keys, those of former years included.
var slotsByRate = map[receipt.Rate]int{
	1900: slotGeneral, 1600: slotGeneral,
	700: slotReduced, 500: slotReduced,
	1070: slotAverage3, 950: slotAverage3, 900: slotAverage3, 840: slotAverage3, 780: slotAverage3,
	550: slotAverage1,
	0:   slotZero,
}

// Slot returns the place, from 0, of a tax among the five gross sums of a Kassenbeleg-V1: by its key (UST_SCHLUESSEL of
// DSFinV-K), of former years' keys by the second digit, or by the rate if it has no key. A shop's own keys, 1000 and
// above, stand for taxes that are not German and have the last place. It returns [ErrRequest] for a tax without place.
func Slot(tax receipt.TaxRef) (int, error) {
	if tax.Key == "" {
		if slot, ok := slotsByRate[tax.Rate]; ok {
			return slot, nil
		}
		return 0, fmt.Errorf("%w: a tax of %d basis points without a key: give it one in the tax rates", ErrRequest, tax.Rate)
	}
	key, err := strconv.Atoi(tax.Key)
	if err != nil || strconv.Itoa(key) != tax.Key {
		key = 0
	}
	switch {
	case key >= 1000:
		return slotZero, nil
	case key > 10 && key < 100:
		key %= 10
	}
	switch {
	case key >= 1 && key <= 4:
		return key - 1, nil
	case key >= 5 && key <= 8:
		return slotZero, nil
	}
	return 0, fmt.Errorf("%w: %.20q is not a tax key: correct it in the tax rates", ErrRequest, tax.Key)
}
