package receipt

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Codes of [Finding]. They are stable; a program may match on them.
const (
	FindMalformed = "malformed" // not a canonical document; it has no number
	FindForeign   = "foreign"   // of another shop, till or series
	FindGap       = "gap"       // numbers Number to Last are not there
	FindFork      = "fork"      // two different documents with the same number
	FindOrder     = "order"     // a number lower than the one before it in the input
	FindStart     = "start"     // the first document does not continue what the chain starts from
	FindChanged   = "changed"   // the document's hash is not what its successor says: one of the two was changed
	FindKey       = "key"       // the key is not that of the till
	FindSignature = "signature" // the signature is not that of the key over these bytes
	NoteDuplicate = "duplicate" // the same document again; a note only
	NoteTime      = "time"      // closed earlier than the number before it; a note only
)

// maxFindings and maxForks bound the memory of a verification; what is beyond them is still counted.
const (
	maxFindings = 1000
	maxForks    = 8
)

// Chain says what a series of documents is expected to be. A zero field is taken from the first document; without an
// expected till the result only says that the documents agree with each other.
type Chain struct {
	Shop   crdt.ShopID
	Till   crdt.TillID
	Series string
	After  *ChainLink // the last document known to be right; nil: the chain starts with number 1, or with its opening
	// Opened: the series continues another one, so it must begin with its opening, number 0.
	Opened bool
}

// ChainLink is one place in a chain.
type ChainLink struct {
	Number int64
	Hash   Digest
}

// Finding is one thing that is wrong with a chain, or a note about it.
type Finding struct {
	Code   string // one of the Find or Note constants
	Note   bool   // true: worth knowing, but the chain holds
	Index  int64  // position in the input, from 0, of the document that shows it
	Number int64  // the number it is about; zero if unknown
	Last   int64  // for a gap the last number missing, else equal to Number
	Text   string // a sentence for a person
}

// Report is the result of [VerifyChain].
type Report struct {
	Chain     Chain            // what was expected, or taken from the first document
	Documents int64            // read
	Missing   int64            // numbers in all gaps together
	First     *ChainLink       // first and last place that was read; nil without any document of the chain
	Last      *ChainLink       // compare it with what the till says, no other way shows a cut end
	Counts    map[string]int64 // findings and notes by code, also those beyond the list
	Findings  []Finding        // the first 1000, in the order of the input
}

// OK reports whether nothing is wrong; notes do not count.
func (r Report) OK() bool {
	for code, n := range r.Counts {
		if n > 0 && code != NoteDuplicate && code != NoteTime {
			return false
		}
	}
	return true
}

// VerifyChain reads the documents of one series in the order of their numbers and reports everything that breaks the
// chain: gaps, forks, changed documents, wrong signatures and keys. It needs the same memory for any number of
// documents. It does not recompute sums, see [Document.Check].
//
// The input ends at its first error, which is returned with the report so far.
func VerifyChain(documents iter.Seq2[Signed, error], expected Chain) (Report, error) {
	return VerifyExamined(func(yield func(*Examined, error) bool) {
		for s, err := range documents {
			if err != nil {
				yield(nil, err)
				return
			}
			if e, _ := examine(s); !yield(e, nil) {
				return
			}
		}
	}, expected)
}

// VerifyExamined is [VerifyChain] of documents that were examined before.
func VerifyExamined(documents iter.Seq2[*Examined, error], expected Chain) (Report, error) {
	v := verifier{report: Report{Chain: expected, Counts: make(map[string]int64)}}
	for e, err := range documents {
		if err != nil {
			return v.report, fmt.Errorf("verify the chain of %s after %d documents: %w",
				clip(v.report.Chain.Series), v.report.Documents, err)
		}
		v.take(e)
		v.report.Documents++
	}
	return v.report, nil
}

// verifier is the state between two documents.
type verifier struct {
	report Report
	hashes []Digest // of all documents with the last number: more than one after a fork
	closed time.Time
}

func (v *verifier) find(code string, first, last int64, format string, args ...any) {
	v.report.Counts[code]++
	if len(v.report.Findings) >= maxFindings {
		return
	}
	v.report.Findings = append(v.report.Findings, Finding{
		Code: code, Note: code == NoteDuplicate || code == NoteTime, Index: v.report.Documents,
		Number: first, Last: last, Text: fmt.Sprintf(format, args...),
	})
}

func (v *verifier) take(e *Examined) {
	if e.headerErr != nil {
		v.find(FindMalformed, 0, 0, "Document %d of the input cannot be read: %v.", v.report.Documents, e.headerErr)
		return
	}
	h, hash := e.header, e.Hash
	n := h.Number
	if !v.belongs(h) {
		v.find(FindForeign, n, n, "%s of till %s in shop %s does not belong to this chain.",
			NumberText(clip(h.Series), n), h.Till.Short(), h.Shop)
		return
	}
	if e.signer != h.Till {
		v.find(FindKey, n, n, "The key of %s is not that of till %s.", NumberText(h.Series, n), h.Till.Short())
	}
	if !e.signed {
		v.find(FindSignature, n, n, "The signature of %s does not fit its bytes.", NumberText(h.Series, n))
	}
	if last := v.report.Last; last != nil && n <= last.Number {
		v.again(h, hash)
		return
	}
	v.link(h)
	v.time(h)
	v.hashes = append(v.hashes[:0], hash)
	v.report.Last = &ChainLink{n, hash}
	if v.report.First == nil {
		v.report.First = v.report.Last
	}
}

// belongs compares a document with the expected chain, which the first document completes.
func (v *verifier) belongs(h Header) bool {
	c := &v.report.Chain
	if c.Shop.IsZero() {
		c.Shop = h.Shop
	}
	if c.Till.IsZero() {
		c.Till = h.Till
	}
	if c.Series == "" {
		c.Series = h.Series
	}
	return h.Shop == c.Shop && h.Till == c.Till && h.Series == c.Series
}

// again takes a document whose number is not higher than the last one.
func (v *verifier) again(h Header, hash Digest) {
	n, last := h.Number, v.report.Last.Number
	switch {
	case n < last:
		v.find(FindOrder, n, n, "%s comes after %d in the input.", NumberText(h.Series, n), last)
	case slices.Contains(v.hashes, hash):
		v.find(NoteDuplicate, n, n, "%s is there twice with the same content.", NumberText(h.Series, n))
	default:
		v.find(FindFork, n, n, "%s is there twice with different content.", NumberText(h.Series, n))
		if len(v.hashes) < maxForks {
			v.hashes = append(v.hashes, hash)
		}
	}
}

// link compares a document with the one before it.
func (v *verifier) link(h Header) {
	n, before := h.Number, v.report.Last
	if before == nil {
		v.start(h)
		return
	}
	if n > before.Number+1 {
		v.gap(before.Number+1, n-1)
		return
	}
	if !slices.Contains(v.hashes, h.Previous) {
		v.find(FindChanged, before.Number, before.Number, "The hash of %s is not the one that %d names.",
			NumberText(h.Series, before.Number), n)
	}
}

// start compares the first document with what the chain starts from.
func (v *verifier) start(h Header) {
	from := ChainLink{Number: 0, Hash: First(h.Shop, h.Till, h.Series)}
	if h.Number == 0 || v.report.Chain.Opened {
		from.Number = -1
	}
	if after := v.report.Chain.After; after != nil {
		from = *after
	}
	switch n := h.Number; {
	case n <= from.Number:
		v.find(FindStart, n, n, "%s comes before the start of the chain, which is after %d.", NumberText(h.Series, n), from.Number)
	case n > from.Number+1:
		v.gap(from.Number+1, n-1)
	case h.Previous != from.Hash:
		v.find(FindStart, n, n, "%s does not continue what the chain starts from, or the opening of the series is missing.",
			NumberText(h.Series, n))
	}
}

func (v *verifier) gap(first, last int64) {
	v.report.Missing += last - first + 1
	series := clip(v.report.Chain.Series)
	if first == last {
		v.find(FindGap, first, last, "%s is missing.", NumberText(series, first))
		return
	}
	v.find(FindGap, first, last, "%s to %s are missing.", NumberText(series, first), NumberText(series, last))
}

// time notes a clock that went back.
func (v *verifier) time(h Header) {
	closed, err := time.Parse(time.RFC3339, h.Closed)
	if err != nil {
		v.find(NoteTime, h.Number, h.Number, "%s has no readable time.", NumberText(h.Series, h.Number))
		return
	}
	if closed.Before(v.closed) {
		v.find(NoteTime, h.Number, h.Number, "%s was closed earlier than the number before it.", NumberText(h.Series, h.Number))
	}
	v.closed = closed
}
