package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// DefaultLanguage is the language names fall back to.
const DefaultLanguage = "de"

// Names is the register "names" of every document here: what a thing is called, by language ("de", "en", "pt-BR").
type Names struct {
	Name    map[string]string // at most [MaxNameRunes] each
	Receipt map[string]string // a shorter text for receipts where the name is too long; may be empty
}

// Named returns names with one name in the default language.
func Named(name string) Names { return Names{Name: map[string]string{DefaultLanguage: name}} }

// In returns the name in a language, else in the same language without its region, else in [DefaultLanguage], else in
// the first language there is, in the order of the codes.
func (n Names) In(language string) string {
	for _, l := range fallback(language) {
		if s := n.Name[l]; s != "" {
			return s
		}
	}
	if len(n.Name) == 0 {
		return ""
	}
	return n.Name[slices.Min(slices.Collect(maps.Keys(n.Name)))]
}

// OnReceipt returns the receipt text in a language if there is one, else what [Names.In] returns.
func (n Names) OnReceipt(language string) string {
	for _, l := range fallback(language) {
		if s := n.Receipt[l]; s != "" {
			return s
		}
		if n.Name[l] != "" {
			break
		}
	}
	return n.In(language)
}

func fallback(language string) []string {
	base, _, region := strings.Cut(language, "-")
	if region {
		return []string{language, base, DefaultLanguage}
	}
	return []string{language, DefaultLanguage}
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (n Names) Check() error {
	if len(n.Name) == 0 {
		return fmt.Errorf("%w: at least one name is needed", ErrInvalid)
	}
	if err := checkTexts("name", n.Name); err != nil {
		return err
	}
	return checkTexts("receipt text", n.Receipt)
}

func checkTexts(what string, texts map[string]string) error {
	if len(texts) > MaxLanguages {
		return fmt.Errorf("%w: %s in %d languages, at most %d", ErrInvalid, what, len(texts), MaxLanguages)
	}
	for _, language := range slices.Sorted(maps.Keys(texts)) {
		if !isLanguage(language) {
			return fmt.Errorf("%w: %q is not a language code such as de or pt-BR", ErrInvalid, language)
		}
		if strings.TrimSpace(texts[language]) == "" {
			return fmt.Errorf("%w: %s (%s) is empty", ErrInvalid, what, language)
		}
		if err := rules.CheckText(fmt.Sprintf("%s (%s)", what, language), texts[language], MaxNameRunes); err != nil {
			return err
		}
	}
	return nil
}

// isLanguage accepts two or three small letters, then parts of two to eight letters and digits after hyphens.
func isLanguage(s string) bool {
	first, rest, more := strings.Cut(s, "-")
	if len(s) > 35 || len(first) < 2 || len(first) > 3 || strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") != "" {
		return false
	}
	if !more {
		return true
	}
	for part := range strings.SplitSeq(rest, "-") {
		if len(part) < 2 || len(part) > 8 || checkCode("", part) != nil {
			return false
		}
	}
	return true
}

// ParseNames reads a register value.
func ParseNames(raw []byte) (Names, error) {
	f := rules.Parse(raw)
	var n Names
	f.Nested("n", func(r *codec.Reader) { n.Name = readTexts(r) })
	f.Nested("r", func(r *codec.Reader) { n.Receipt = readTexts(r) })
	return document.Checked(f, "names", n)
}

func readTexts(r *codec.Reader) map[string]string {
	count := r.Map()
	if count == 0 {
		return nil
	}
	if count > MaxLanguages {
		r.Fail("texts in %d languages, at most %d", count, MaxLanguages)
		return nil
	}
	texts := make(map[string]string, count)
	for range count {
		language := r.String()
		if _, twice := texts[language]; twice {
			r.Fail("language %q twice", language)
		}
		texts[language] = r.String()
	}
	return texts
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (n Names) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetRaw("n", appendTexts(n.Name))
		rec.SetRaw("r", appendTexts(n.Receipt))
	})
}

func appendTexts(texts map[string]string) []byte {
	if len(texts) == 0 {
		return nil
	}
	b := codec.AppendMap(nil, len(texts))
	for _, language := range slices.Sorted(maps.Keys(texts)) {
		b = codec.AppendString(codec.AppendString(b, language), texts[language])
	}
	return b
}

// putNames writes the names and refuses a new document without any.
func putNames(w *document.Writer, typ string, n *Names) {
	if n != nil {
		w.Put(RegisterNames, *n)
	} else if !w.Written(RegisterNames) {
		w.Fail(fmt.Errorf("%w: a new %s needs a name", ErrInvalid, typ))
	}
}
