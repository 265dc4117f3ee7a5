package document

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckText refuses text of more than that many runes, and text that no screen or printer shows as meant: what is not
// UTF-8 or has control characters. what names it in the error, as in all checks here.
func (r Rules) CheckText(what, s string, runes int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not valid UTF-8", r.Invalid, what)
	}
	if len(s) > runes {
		if n := utf8.RuneCountInString(s); n > runes {
			return fmt.Errorf("%w: %s has %d characters, at most %d", r.Invalid, what, n, runes)
		}
	}
	for _, c := range s {
		if unicode.IsControl(c) {
			return fmt.Errorf("%w: %s contains the control character %U", r.Invalid, what, c)
		}
	}
	return nil
}

// CheckCapitals refuses what is not a code of capital letters A to Z, as many as the example has.
func (r Rules) CheckCapitals(what, s, example string) error {
	if len(s) != len(example) || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("%w: %s %.20q is not a code such as %s", r.Invalid, what, s, example)
	}
	return nil
}

// CheckRange refuses numbers below low or above high.
func (r Rules) CheckRange(what string, v, low, high int64) error {
	if v < low || v > high {
		return fmt.Errorf("%w: %s is %d, %d to %d", r.Invalid, what, v, low, high)
	}
	return nil
}

// CheckMS refuses times (Unix milliseconds) before 1970 or after [MaxUnixMillis].
func (r Rules) CheckMS(what string, ms int64) error {
	if ms < 0 || ms > MaxUnixMillis {
		return fmt.Errorf("%w: %s is %d ms, 0 to %d", r.Invalid, what, ms, int64(MaxUnixMillis))
	}
	return nil
}
