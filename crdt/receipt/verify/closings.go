package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// closings follows the closings of a series while its documents are read: each is compared with the sums of exactly the
// documents it covers, when the last of them was read.
type closings struct {
	c    *chain
	next func() (Entry, error, bool)
	stop func()
	err  error

	z        *receipt.ZReport // the closing whose documents are being read; nil: there is none any more
	hash     receipt.Digest
	previous receipt.Digest
	number   int64 // of the last closing
	to       int64 // number of the last document that a closing covers; -1: none yet
	first    bool  // no closing was read yet

	sums     *receipt.ZSums
	read     int64 // documents in the sums
	broken   error // why the sums cannot be computed
	lastHash receipt.Digest
	unclosed int64
}

func newClosings(ctx context.Context, c *chain) *closings {
	z := &closings{c: c, first: true, to: -1}
	z.previous = receipt.FirstZ(c.series.Shop, c.series.Till, c.series.Prefix)
	z.lastHash = receipt.First(c.series.Shop, c.series.Till, c.series.Prefix)
	z.next, z.stop = iter.Pull2(c.r.src.Closings(ctx, c.series.Shop, c.series.Till, c.series.Prefix))
	if !c.opened() {
		z.to = 0
	}
	z.advance()
	return z
}

// advance reads the next closing that can be read.
func (z *closings) advance() {
	z.z = nil
	for z.err == nil {
		e, err, ok := z.next()
		if err != nil {
			z.err = fmt.Errorf("read closings of %s: %w", z.c.series.Prefix, err)
			return
		}
		if !ok {
			return
		}
		z.c.r.report.Closings++
		z.c.sum.Closings++
		report, err := receipt.ParseZReport(e.Signed.Document)
		if err != nil {
			z.find(receipt.FindMalformed, z.number+1, "A closing of %s cannot be read: %v.", z.c.series.Prefix, err)
			continue
		}
		if z.link(e, &report) {
			z.begin(&report, receipt.Hash(e.Signed.Document))
			if z.z != nil {
				return
			}
		}
	}
}

// link compares a closing with the one before it; false if it is to be passed over.
func (z *closings) link(e Entry, r *receipt.ZReport) bool {
	name := receipt.ZText(r.Series, r.Number)
	item := receipt.ClosingItem{Signed: e.Signed, Series: r.Series, Number: r.Number, BusinessDay: r.BusinessDay, From: r.From, To: r.To}
	id := e.ID
	if id.IsZero() {
		id = receipt.ZID(r.Shop.ID, r.Till.ID, r.Series, r.Number)
	}
	if (Series{r.Shop.ID, r.Till.ID, r.Series}) != z.c.series {
		z.find(receipt.FindForeign, r.Number, "%s does not belong to the series %s.", name, z.c.series.Prefix)
		return false
	}
	if _, err := item.Verify(id); err != nil {
		code := FindDocument
		if errors.Is(err, receipt.ErrSign) {
			code = receipt.FindSignature
		}
		z.find(code, r.Number, "%s: %v.", name, err)
	}
	hash := receipt.Hash(e.Signed.Document)
	switch {
	case r.Number <= z.number && hash == z.hash:
		return false // the same again
	case r.Number <= z.number:
		z.find(receipt.FindFork, r.Number, "%s is there twice with different content.", name)
		return false
	case r.Number > z.number+1:
		z.c.wrong(Finding{Code: receipt.FindGap, About: AboutClosing, Series: z.c.series, Number: z.number + 1, Last: r.Number - 1,
			Text: fmt.Sprintf("%s is there, and %d closings before it are missing.", name, r.Number-z.number-1)})
	case r.Previous != z.previous:
		z.find(receipt.FindChanged, r.Number, "%s does not continue the closing before it: one of the two was changed.", name)
	}
	if gap := r.Number > z.number+1; !gap && r.From != z.to+1 {
		z.find(FindRange, r.Number, "%s begins with number %d; the one before it ended with %d.", name, r.From, z.to)
	}
	z.number, z.previous, z.hash, z.first = r.Number, hash, hash, false
	return true
}

// begin prepares the sums of a closing. One that covers nothing is compared at once.
func (z *closings) begin(r *receipt.ZReport, hash receipt.Digest) {
	z.sums, z.read, z.broken, z.hash = receipt.NewZSums(r.Currency), 0, nil, hash
	z.z = r
	z.c.sum.LastClosing = r.Number
	z.to = max(z.to, r.To)
	if r.To < r.From {
		z.compare()
		z.z = nil
	}
}

// add adds a document; false if closings cannot be read.
func (z *closings) add(p *parsed) bool {
	n := p.Document.Number
	for z.err == nil && z.z != nil && n > z.z.To { // its last documents are missing
		z.compare()
		z.advance()
	}
	if z.z == nil || n < z.z.From {
		if z.z == nil {
			z.unclosed++
		}
		z.lastHash = p.Hash
		return z.err == nil
	}
	if z.broken == nil {
		z.broken = z.sums.Add(&p.Document, p.Hash)
	}
	z.read++
	z.lastHash = p.Hash
	if n == z.z.To {
		z.compare()
		z.advance()
	}
	return z.err == nil
}

// compare compares a closing with its documents.
func (z *closings) compare() {
	r, name := z.z, receipt.ZText(z.z.Series, z.z.Number)
	if want := r.To - r.From + 1; z.read != want {
		z.find(FindRange, r.Number, "%s covers %d documents, from %d to %d; %d of them are here.", name, want, r.From, r.To, z.read)
		return
	}
	if z.broken != nil {
		z.find(FindSums, r.Number, "%s: its receipts cannot be added up: %v.", name, z.broken)
		return
	}
	var wrong []string
	if z.sums.Hash() != r.Hash {
		wrong = append(wrong, "the hash of its range")
	}
	if z.sums.Began() != r.Began {
		wrong = append(wrong, "when the first of them was closed")
	}
	if r.Last != z.lastHash {
		wrong = append(wrong, "the hash of the last of them")
	}
	if diff := differ(r.Sums, z.sums.Totals()); len(diff) > 0 {
		wrong = append(wrong, diff...)
	}
	if len(wrong) > 0 {
		z.find(FindSums, r.Number, "%s does not say what its documents come to: %s.", name, strings.Join(wrong, ", "))
	}
}

// differ names what is not the same in two sums.
func differ(said, are receipt.ZTotals) (names []string) {
	a, b := reflect.ValueOf(said), reflect.ValueOf(are)
	for i := range a.NumField() {
		field := a.Type().Field(i)
		if field.Name == "Unknown" {
			continue
		}
		if text := fmt.Sprintf("%v", a.Field(i).Interface()); text != fmt.Sprintf("%v", b.Field(i).Interface()) {
			names = append(names, strings.ToLower(field.Name))
		}
	}
	return names
}

// end ends the series: closings that come now cover documents that are not here.
func (z *closings) end() error {
	for z.err == nil && z.z != nil {
		z.compare()
		z.advance()
	}
	z.c.sum.Unclosed = z.unclosed
	return z.err
}

func (z *closings) find(code string, number int64, format string, args ...any) {
	z.c.find(code, AboutClosing, number, number, format, args...)
}
