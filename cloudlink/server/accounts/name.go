package accounts

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	maxNameBytes  = 254 // of an account's name, as mail addresses have it
	maxLocalBytes = 64  // before the @
	maxLabelRunes = 63  // of one part of the domain
)

// Name is the name of an account: in the form of a mail address, which need not exist as one.
type Name struct {
	Shown string // as its owner wrote it, in NFC
	Key   string // what names are compared by: two names with one key are the same name
}

// ParseName reads a name. White space around it does not count. Errors are refusals with [CodeName].
func ParseName(s string) (Name, error) {
	s = strings.TrimSpace(s)
	if len(s) > 4*maxNameBytes || !utf8.ValidString(s) {
		return Name{}, badName("it has more than %d bytes or is no text", maxNameBytes)
	}
	s = norm.NFC.String(s)
	if len(s) > maxNameBytes {
		return Name{}, badName("it has more than %d bytes", maxNameBytes)
	}
	local, domain, found := strings.Cut(s, "@")
	switch {
	case !found || local == "" || domain == "":
		return Name{}, badName("it has no text on both sides of an @")
	case strings.Contains(domain, "@"):
		return Name{}, badName("it has more than one @")
	case len(local) > maxLocalBytes:
		return Name{}, badName("there are more than %d bytes before the @", maxLocalBytes)
	}
	for part := range strings.SplitSeq(local, ".") {
		if part == "" {
			return Name{}, badName("a dot before the @ stands between two other characters")
		}
		if i := strings.IndexFunc(part, func(r rune) bool { return !inLocal(r) }); i >= 0 {
			return Name{}, badName("there is a character before the @ that no mail address has")
		}
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return Name{}, badName("the part behind the @ has no dot")
	}
	for _, label := range labels {
		if label == "" || utf8.RuneCountInString(label) > maxLabelRunes || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.IndexFunc(label, func(r rune) bool { return r != '-' && !letterOrDigit(r) }) >= 0 {
			return Name{}, badName("the part behind the @ is not made of letters, digits, hyphens and dots between them")
		}
	}
	return Name{Shown: s, Key: foldName(s)}, nil
}

// foldName is the canonical caseless form: the same for all spellings of one name.
func foldName(s string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(s)))
}

func letterOrDigit(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

func inLocal(r rune) bool {
	return letterOrDigit(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func badName(format string, args ...any) error {
	return refuse(CodeName, "write it like a mail address, such as name@shop.example; nobody sends mail to it",
		"this is not a name of an account: %s", fmt.Sprintf(format, args...))
}
