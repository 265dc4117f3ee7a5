// Package password has the rules for passwords of accounts, so that a till can show them while somebody types, without asking the cloud. It
// is pure.
package password

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxBytes bounds a password in NFC.
	MaxBytes = 1024
	minRunes = 8
	// specials are the characters of which a password has at least one.
	specials = "!§$%&=+*#-.:,;<>"
)

// Rule is one rule for passwords and whether a password keeps it.
type Rule struct {
	Code string // stable: length, upper, lower, digit, special, space, longest
	Text string // for people
	Met  bool
}

// Checked is what there is to say about a password before it is chosen.
type Checked struct {
	Rules  []Rule   // all of them, in the order in which they are shown
	Advice []string // what would make it better; none of it is demanded
}

// OK reports whether all rules are met.
func (c Checked) OK() bool {
	return !slices.ContainsFunc(c.Rules, func(r Rule) bool { return !r.Met })
}

// Check says which rules a password meets. name is the account's, for the advice; it may be empty.
func Check(password, name string) Checked {
	if len(password) > 4*MaxBytes { // the rest is not looked at: the rule longest says so
		password = password[:4*MaxBytes]
	}
	p := norm.NFC.String(password)
	has := func(f func(rune) bool) bool { return strings.IndexFunc(p, f) >= 0 }
	return Checked{
		Rules: []Rule{
			{"length", "at least 8 characters", utf8.RuneCountInString(p) >= minRunes},
			{"upper", "an upper case letter", has(unicode.IsUpper)},
			{"lower", "a lower case letter", has(unicode.IsLower)},
			{"digit", "a digit", has(func(r rune) bool { return r >= '0' && r <= '9' })},
			{"special", "one of " + specials, strings.ContainsAny(p, specials)},
			{"space", "no space", !has(unicode.IsSpace)},
			{"longest", "at most 1024 bytes", len(p) <= MaxBytes},
		},
		Advice: advice(p, name),
	}
}

// words are often in passwords, and the first that somebody tries.
var words = []string{
	"passwort", "password", "kennwort", "parol", "geheim", "secret", "qwert", "qwertz", "asdf", "abc123", "1234", "4321", "1111", "0000",
	"hallo", "hello", "willkommen", "welcome", "privet", "sommer", "summer", "winter", "frühling", "herbst", "spring", "autumn",
	"januar", "februar", "montag", "freitag", "monday", "friday", "admin", "chef", "boss", "test", "login", "master", "schatz", "liebe",
	"love", "fußball", "football", "bayern", "berlin", "wien", "münchen", "hamburg", "kasse", "laden", "shop", "bäckerei",
	"café", "pizza", "restaurant", "michael", "thomas", "andreas", "stefan", "daniel", "sandra", "nicole", "maria", "iloveyou", "dragon",
	"monkey", "пароль", "привет", "йцукен", "любовь",
}

// advice says what makes a password easy to guess although it keeps the rules.
func advice(p, name string) (out []string) {
	folded := fold(p)
	for _, w := range words {
		if strings.Contains(folded, fold(w)) {
			out = append(out, "It contains a word that is often tried first. Several words that have nothing to do with each other are better.")
			break
		}
	}
	local, _, _ := strings.Cut(fold(strings.TrimSpace(name)), "@")
	if utf8.RuneCountInString(local) >= 3 && strings.Contains(folded, local) {
		out = append(out, "It contains the name of the account.")
	}
	if utf8.RuneCountInString(p) < 12 {
		out = append(out, "Longer is better: 12 characters or more.")
	}
	return out
}

func fold(s string) string { return cases.Fold().String(norm.NFC.String(s)) }
