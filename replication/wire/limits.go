package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Limits of texts, in bytes of UTF-8.
const (
	maxProgram = 64  // Hello.Program
	maxWord    = 32  // Ask.Topic, Bye.Code
	maxText    = 400 // Bye.Text
)

// text reads a text of at most limit bytes.
func text(r *codec.Reader, limit int) string {
	b := r.StringBytes()
	if len(b) > limit || !utf8.Valid(b) {
		r.Fail("a text of %d bytes, at most %d bytes of UTF-8", len(b), limit)
		return ""
	}
	return string(b)
}

// clip shortens a text that only people read, such as the words of an error, to what a receiver takes.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// checkOwn reports what a receiver would refuse in a message of this program.
func checkOwn(m Message, body []byte) error {
	word := ""
	switch m := m.(type) {
	case *Scopes:
		if len(m.List) > maxScopes {
			return fmt.Errorf("%d scopes, at most %d", len(m.List), maxScopes)
		}
	case *Ask:
		word = m.Topic
	case *Bye:
		word = m.Code
	}
	if len(word) > maxWord || !utf8.ValidString(word) {
		return fmt.Errorf("%q is not at most %d bytes of UTF-8", word, maxWord)
	}
	return checkBody(m.Kind(), body)
}

// checkBody is the check of a body before anything of it is read. A till that is catching up holds runs of commits with
// gaps between them, one for every settled sale, and has to say so: what consists of runs is bounded by the frame alone. A
// run takes at least two bytes of it and 16 of memory.
func checkBody(k Kind, body []byte) error {
	switch k {
	case KindContext, KindPull, KindEnd, KindHave:
		return codec.CheckUpTo(body, MaxFrame)
	}
	return codec.Check(body)
}
