package shop

import (
	"fmt"
	"strconv"
	"strings"
)

// A prefix is "K", then parts with dots between them. A part is a number from 1 to [MaxNumber] and, from the second
// lineage on, letters: "K2" is the second till, "K2b" its second lineage, "K7b.5.3" the second lineage of the till that
// got number 7 from the till whose prefix is K5.3. What follows the first dot says who gave the number, so two tills that
// cannot reach each other never give the same.

// prefix is one taken apart.
type prefix struct {
	number  int    // 7
	lineage int    // 1 for none, 2 for b, 26 for z, 27 for aa
	by      string // "5.3", empty if the founder gave it
}

// CheckPrefix refuses anything but the one spelling of a number prefix, with [ErrInvalid].
func CheckPrefix(s string) error {
	_, err := parsePrefix(s)
	return err
}

func parsePrefix(s string) (p prefix, err error) {
	body, ok := strings.CutPrefix(s, "K")
	if !ok || len(s) > MaxPrefix {
		return p, fmt.Errorf("%w: number prefix %.50q is not written like K2, K2b or K3.2", ErrInvalid, s)
	}
	for i, part := range strings.Split(body, ".") {
		digits := strings.TrimRight(part, "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.Atoi(digits)
		lineage := lineageNumber(part[len(digits):])
		if err != nil || n < 1 || n > MaxNumber || strconv.Itoa(n) != digits || lineage < 1 {
			return prefix{}, fmt.Errorf("%w: number prefix %.50q is not written like K2, K2b or K3.2", ErrInvalid, s)
		}
		if i == 0 {
			p.number, p.lineage = n, lineage
		}
	}
	_, p.by, _ = strings.Cut(body, ".")
	return p, nil
}

// String returns the one spelling.
func (p prefix) String() string {
	s := "K" + strconv.Itoa(p.number) + lineageLetters(p.lineage)
	if p.by != "" {
		s += "." + p.by
	}
	return s
}

// base returns the prefix of the till, which is the one of its first lineage.
func (p prefix) base() prefix { return prefix{p.number, 1, p.by} }

// gives returns what a till whose current lineage has this prefix puts behind the dot of the tills it admits. The
// founder's first lineage gives bare numbers.
func (p prefix) gives() string {
	s := p.String()
	if s == FounderPrefix {
		return ""
	}
	return s[1:]
}

// givenBy reports whether a till with base prefix admitter may have given this prefix, in whatever lineage of it.
func (p prefix) givenBy(admitter prefix) bool {
	if p.lineage != 1 {
		return false
	}
	if p.by == "" {
		return admitter.String() == FounderPrefix && p.number > 1
	}
	by, err := parsePrefix("K" + p.by)
	return err == nil && by.base() == admitter && by.String() != FounderPrefix
}

// lineageLetters counts b, c, ... z, aa, ab, ...; the first lineage has none.
func lineageLetters(n int) string {
	if n <= 1 {
		return ""
	}
	var s []byte
	for ; n > 0; n = (n - 1) / 26 {
		s = append([]byte{byte('a' + (n-1)%26)}, s...)
	}
	return string(s)
}

// lineageNumber is the reverse of [lineageLetters]; 0 for letters that count nothing.
func lineageNumber(s string) (n int) {
	if s == "" {
		return 1
	}
	if s == "a" || len(s) > 3 {
		return 0
	}
	for _, c := range []byte(s) {
		n = n*26 + int(c-'a') + 1
	}
	return n
}
