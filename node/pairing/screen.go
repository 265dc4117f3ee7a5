package pairing

import (
	"strings"
	"unicode"
)

const (
	screenRunes  = 40 // of a text on a screen
	screenDigits = 5  // in a name; more could pass for the digits to compare
	screenMarks  = 2  // combining marks on one letter
)

// screenText makes a stranger's text fit to be shown beside the digits: one line of at most 40 letters, nothing invisible
// or that turns the writing direction, no piles of marks, and no six digits, which a person could take for those to compare.
func screenText(s string) string {
	var b strings.Builder
	marks, digits := 0, 0
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case unicode.IsMark(r):
			if marks++; marks > screenMarks {
				continue
			}
			b.WriteRune(r)
			continue
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		case unicode.IsNumber(r):
			digits++
		}
		marks = 0
		b.WriteRune(r)
	}
	s = strings.Join(strings.Fields(b.String()), " ")
	if digits > screenDigits {
		s = strings.Map(func(r rune) rune {
			if unicode.IsNumber(r) {
				return '#'
			}
			return r
		}, s)
	}
	if runes := []rune(s); len(runes) > screenRunes {
		s = strings.TrimSpace(string(runes[:screenRunes-1])) + "…"
	}
	return s
}
