// Package chain verifies the receipts of many series that come mixed and in pieces, as they lie in a store or a backup:
// by lineage, not by number. Each run of one series goes through receipt.VerifyChain; then the runs are put together.
package chain

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Series is what was found of one series of a till.
type Series struct {
	Shop      crdt.ShopID
	Till      crdt.TillID
	Prefix    string
	First     receipt.ChainLink
	Last      receipt.ChainLink
	Documents int64             // read, a receipt that is there twice counts twice
	Missing   int64             // numbers from 1 to Last that are not there
	Findings  []receipt.Finding // of all kinds that break a chain, at most 100; no notes
	More      int64             // findings beyond them
}

// OK reports whether the series is whole from its first number on.
func (s Series) OK() bool { return len(s.Findings) == 0 }

const (
	maxFindings = 100
	maxRuns     = 100_000 // of all series together
)

type key struct {
	shop   crdt.ShopID
	till   crdt.TillID
	prefix string
}

// run is documents of a series that follow each other.
type run struct {
	before      receipt.Digest // what the first names as the one before it
	first, last receipt.ChainLink
}

type state struct {
	Series
	runs []run
}

// Known returns the hash of a receipt that is held elsewhere, and whether it is. Numbers up to it are then not missing.
type Known func(till crdt.TillID, prefix string, number int64) (receipt.Digest, bool, error)

// Verify reads documents in any order and returns their series, sorted by prefix and till. Its memory grows with the
// number of runs, which is about that of lineages and gaps. known may be nil: then all there is are the documents. The
// input ends at its first error, which is returned.
func Verify(documents iter.Seq2[receipt.Signed, error], known Known) ([]Series, error) {
	next, stop := iter.Pull2(documents)
	defer stop()
	v := verifier{next: next, known: known, series: make(map[key]*state)}
	v.advance()
	for v.more {
		if v.err != nil {
			return nil, v.err
		}
		if err := v.run(); err != nil {
			return nil, err
		}
	}
	return v.finish()
}

type verifier struct {
	next   func() (receipt.Signed, error, bool)
	known  Known
	at     receipt.Signed
	header receipt.Header
	bad    error // why the header cannot be read
	err    error // of the input
	more   bool
	series map[key]*state
	runs   int
}

func (v *verifier) advance() {
	if v.at, v.err, v.more = v.next(); v.more && v.err == nil {
		v.header, v.bad = receipt.ParseHeader(v.at.Document)
	}
}

func keyOf(h receipt.Header) key { return key{h.Shop, h.Till, h.Series} }

// run verifies the documents from here on that follow each other.
func (v *verifier) run() error {
	if v.bad != nil {
		s := v.of(key{})
		s.Documents++
		s.find(receipt.Finding{Code: receipt.FindMalformed, Text: fmt.Sprintf("A receipt cannot be read: %v.", v.bad)})
		v.advance()
		return nil
	}
	first := v.header
	k := keyOf(first)
	s := v.of(k)
	expected := receipt.Chain{Shop: first.Shop, Till: first.Till, Series: first.Series,
		After: &receipt.ChainLink{Number: first.Number - 1, Hash: first.Previous}}
	report, err := receipt.VerifyChain(func(yield func(receipt.Signed, error) bool) {
		for number := first.Number; ; number++ {
			at := v.at
			v.advance()
			if !yield(at, nil) || !v.more || v.err != nil || v.bad != nil || keyOf(v.header) != k || v.header.Number != number+1 {
				return
			}
		}
	}, expected)
	if err != nil {
		return err
	}
	s.Documents += report.Documents
	for _, f := range report.Findings {
		if !f.Note {
			s.find(f)
		}
	}
	if report.First == nil {
		return nil
	}
	return v.keep(s, run{first.Previous, *report.First, *report.Last})
}

func (v *verifier) of(k key) *state {
	s := v.series[k]
	if s == nil {
		s = &state{Series: Series{Shop: k.shop, Till: k.till, Prefix: k.prefix}}
		v.series[k] = s
	}
	return s
}

// keep remembers a run, as part of the one before if it continues it.
func (v *verifier) keep(s *state, r run) error {
	if n := len(s.runs); n > 0 && s.runs[n-1].last == (receipt.ChainLink{Number: r.first.Number - 1, Hash: r.before}) {
		s.runs[n-1].last = r.last
		return nil
	}
	if v.runs++; v.runs > maxRuns {
		return fmt.Errorf("the receipts are in more than %d pieces", maxRuns)
	}
	s.runs = append(s.runs, r)
	return nil
}

func (s *state) find(f receipt.Finding) {
	if len(s.Findings) == maxFindings {
		s.More++
		return
	}
	s.Findings = append(s.Findings, f)
}

func (v *verifier) finish() ([]Series, error) {
	out := make([]Series, 0, len(v.series))
	for _, s := range v.series {
		if err := s.join(v.known); err != nil {
			return nil, err
		}
		out = append(out, s.Series)
	}
	slices.SortFunc(out, func(a, b Series) int {
		return cmp.Or(strings.Compare(a.Prefix, b.Prefix), a.Till.Compare(b.Till), slices.Compare(a.Shop[:], b.Shop[:]))
	})
	return out, nil
}

// join puts the runs of a series together, from number 1 on.
func (s *state) join(elsewhere Known) error {
	if len(s.runs) == 0 {
		return nil
	}
	slices.SortStableFunc(s.runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.first.Number, b.first.Number), -cmp.Compare(a.last.Number, b.last.Number))
	})
	s.First = s.runs[0].first
	at := receipt.ChainLink{Number: 0, Hash: receipt.First(s.Shop, s.Till, s.Prefix)}
	var known []receipt.ChainLink // ends of runs that lie one over the other
	for _, r := range s.runs {
		before := receipt.ChainLink{Number: r.first.Number - 1, Hash: r.before}
		if elsewhere != nil && before.Number > at.Number {
			hash, ok, err := elsewhere(s.Till, s.Prefix, before.Number)
			if err != nil {
				return err
			}
			if ok {
				at = receipt.ChainLink{Number: before.Number, Hash: hash}
			}
		}
		switch {
		case before.Number > at.Number:
			s.gap(at.Number+1, before.Number)
			known = known[:0]
		case before.Number == at.Number && before.Hash != at.Hash && at.Number == 0:
			s.find(receipt.Finding{Code: receipt.FindStart, Number: 1, Last: 1,
				Text: fmt.Sprintf("%s does not begin its series.", receipt.NumberText(s.Prefix, 1))})
		case before.Number == at.Number && before.Hash != at.Hash:
			s.find(receipt.Finding{Code: receipt.FindChanged, Number: at.Number, Last: at.Number,
				Text: fmt.Sprintf("The hash of %s is not the one that %d names.", receipt.NumberText(s.Prefix, at.Number), r.first.Number)})
		case before.Number < at.Number:
			s.overlap(r, known)
		}
		known = append(known, before, r.first, r.last)
		if r.last.Number > at.Number {
			at = r.last
		}
	}
	s.Last = at
	return nil
}

// overlap reports a fork if two runs that cover the same numbers differ where both are known.
func (s *state) overlap(r run, known []receipt.ChainLink) {
	for _, k := range known {
		for _, have := range []receipt.ChainLink{{Number: r.first.Number - 1, Hash: r.before}, r.first, r.last} {
			if have.Number == k.Number && have.Hash != k.Hash {
				s.find(receipt.Finding{Code: receipt.FindFork, Number: k.Number, Last: k.Number,
					Text: fmt.Sprintf("%s is there twice with different content.", receipt.NumberText(s.Prefix, k.Number))})
				return
			}
		}
	}
}

func (s *state) gap(first, last int64) {
	s.Missing += last - first + 1
	text := fmt.Sprintf("%s to %s are missing.", receipt.NumberText(s.Prefix, first), receipt.NumberText(s.Prefix, last))
	if first == last {
		text = fmt.Sprintf("%s is missing.", receipt.NumberText(s.Prefix, first))
	}
	s.find(receipt.Finding{Code: receipt.FindGap, Number: first, Last: last, Text: text})
}
