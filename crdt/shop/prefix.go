package shop

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// A prefix is "K", then parts with dots between them. A part is a number from 1 to [MaxNumber] and, from the second
// lineage on, letters: "K2" is the second till, "K2b" its second lineage, "K7b.5.3" the second lineage of the till that
// got number 7 from the till whose prefix is K5.3. What follows the first dot says who gave the number, so two tills that
// cannot reach each other never give the same.
//
// Who admits tills by a recovery key may be several who do not know of each other, so there the last part is a 0 and
// letters from the key of the admitted till: "K4.0qzkmhw", and its second lineage "K4b.0qzkmhw".

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
	parts := strings.Split(body, ".")
	for i, part := range parts {
		if i > 0 && i == len(parts)-1 && isRecovered(part) {
			break
		}
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

// recoveredLetters is how many letters name a till that a recovery key admitted: 26^6 are 309 million.
const recoveredLetters = 6

// recoveredPart returns what stands behind the last dot of the prefix of a till that a recovery key admits.
func recoveredPart(till crdt.TillID) string {
	return "0" + letters(crdt.DeriveObjectID("recovered till", till[:]), recoveredLetters)
}

func isRecovered(part string) bool {
	return len(part) == 1+recoveredLetters && part[0] == '0' && strings.Trim(part[1:], "abcdefghijklmnopqrstuvwxyz") == ""
}

// letters returns n letters that a hash gives.
func letters(hash crdt.ObjectID, n int) string {
	v := binary.BigEndian.Uint64(hash[:])
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(v%26)
		v /= 26
	}
	return string(b)
}

// recovered reports whether a till that a recovery key admitted may have this prefix.
func (p prefix) recovered(till crdt.TillID) bool {
	return p.lineage == 1 && p.by == recoveredPart(till)
}

// NextSeries returns the number prefix for a new lineage of the till whose admission gave it the prefix base: base itself
// if known holds none of its lineages, else with the letters after the highest of them. Known prefixes of other tills do
// not count. See [Roster.NextSeries].
func NextSeries(base string, known ...string) (string, error) {
	b, highest, err := highestSeries(base, known)
	if err != nil {
		return "", err
	}
	return series(prefix{b.number, highest + 1, b.by}, b, known)
}

// SeriesApart is [NextSeries] for a till of which a copy may exist that also begins a new lineage and cannot be asked: its
// letters come from the new replica, so two copies do not choose alike.
func SeriesApart(base string, replica crdt.ReplicaID, known ...string) (string, error) {
	b, _, err := highestSeries(base, known)
	if err != nil {
		return "", err
	}
	three := letters(crdt.DeriveObjectID("series", replica[:]), 3) // aaa to zzz: behind all that are counted one by one
	return series(prefix{b.number, lineageNumber(three), b.by}, b, known)
}

func highestSeries(base string, known []string) (b prefix, highest int, err error) {
	if b, err = parsePrefix(base); err != nil {
		return b, 0, fmt.Errorf("series of a new lineage: %w", err)
	}
	if b.lineage != 1 {
		return b, 0, fmt.Errorf("series of a new lineage: %w: %s is no prefix of an admission", ErrInvalid, base)
	}
	for _, s := range known {
		p, err := parsePrefix(s)
		if err != nil {
			return b, 0, fmt.Errorf("series of a new lineage: %w", err)
		}
		if p.base() == b {
			highest = max(highest, p.lineage)
		}
	}
	return b, highest, nil
}

// series returns the first prefix from p on that no lineage is known to have, and begins again with b after the last.
func series(p, b prefix, known []string) (string, error) {
	for range maxLineage {
		if p.lineage > maxLineage {
			p.lineage = 2
		}
		if s := p.String(); !slices.Contains(known, s) {
			return s, CheckPrefix(s)
		}
		p.lineage++
	}
	return "", fmt.Errorf("series of a new lineage: %w: every series of %s is used", ErrInvalid, b)
}

// maxLineage is the number of the lineage with the letters zzz.
const maxLineage = 26 + 26*26 + 26*26*26

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
