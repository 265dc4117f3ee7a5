package receipt

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/document"
)

// amount reads a number whose absence is not its zero.
func amount(f *document.Fields, key string) *Amount {
	if f.Raw(key) == nil {
		return nil
	}
	a := Amount(f.Int(key))
	return &a
}

// checkTexts checks texts that may be empty, given as names and texts in turn, by [MaxText].
func checkTexts(namesAndTexts ...string) error {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		if err := rules.CheckText(namesAndTexts[i], namesAndTexts[i+1], MaxText); err != nil {
			return err
		}
	}
	return nil
}

func checkCurrency(s string) error { return rules.CheckCapitals("currency", s, "EUR") }

func checkMS(ms int64) error { return rules.CheckMS("time", ms) }

func checkNamed(what string, zero bool) error {
	if zero {
		return fmt.Errorf("%w: the %s is missing", ErrInvalid, what)
	}
	return nil
}
