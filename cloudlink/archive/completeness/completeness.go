// Package completeness says what is missing or wrong in the archived documents of shops: per till and series gaps, numbers given twice, broken
// chains, signatures that do not hold, tills that nobody admitted; per closing whether its sums are those of its receipts (fiscal.md §1.7,
// R1 to R8 and R12). It changes nothing: what does not hold is kept and named.
//
//	report, err := completeness.Check(ctx, []completeness.Shop{{ID: id, Books: logs.Books(account, id), Member: member}}, nil)
//	fmt.Println(report.Text())
//
// The rules themselves are those of the tills (package crdt/receipt/verify); documents come from the cloud's database or from an export.
// Memory does not grow with their number.
package completeness

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// Shop is a shop to be checked.
type Shop struct {
	ID    crdt.ShopID
	Books verify.Source
	// Member reports whether a till was ever admitted to the shop; nil: nobody knows, and every till counts.
	Member func(crdt.TillID) bool
}

// Report is what a check came to. It is JSON as it stands.
type Report struct {
	Shops []ShopReport
}

// ShopReport is what was found of one shop.
type ShopReport struct {
	Shop crdt.ShopID
	// NoDocuments: nothing of the sales of this shop is archived.
	NoDocuments bool
	verify.Report
}

// OK reports whether nothing is missing and nothing is wrong.
func (r Report) OK() bool {
	for _, s := range r.Shops {
		if !s.OK() {
			return false
		}
	}
	return true
}

// Documents returns how many documents and closings were read.
func (r Report) Documents() (documents, closings int64) {
	for _, s := range r.Shops {
		documents, closings = documents+s.Report.Documents, closings+s.Report.Closings
	}
	return documents, closings
}

// Progress is told about every 1000 documents. The function that gets it must not block.
type Progress struct {
	Shop crdt.ShopID
	verify.Progress
}

// Check checks shops one after the other. An error is one of the source, or of ctx; the report has what was found until then.
func Check(ctx context.Context, shops []Shop, progress func(Progress)) (Report, error) {
	var out Report
	for _, s := range shops {
		o := verify.Options{Member: s.Member}
		if progress != nil {
			o.Progress = func(p verify.Progress) { progress(Progress{s.ID, p}) }
		}
		r, err := verify.Run(ctx, s.Books, o)
		out.Shops = append(out.Shops, ShopReport{Shop: s.ID, NoDocuments: r.Documents == 0 && r.Closings == 0, Report: r})
		if err != nil {
			return out, fmt.Errorf("check the documents of shop %s: %w", s.ID, err)
		}
	}
	return out, nil
}

// rules says which rules of fiscal.md §1.7 a part of a closing's sums is about, as findings name it.
var rules = []struct{ part, rule string }{
	{"payments", "R1"}, {"gross", "R2, R6"}, {"cashtotal", "R3"}, {"currencies", "R4"}, {"cases", "R5, R12"}, {"rates", "R5, R8"},
}

// Text returns the report as plain text, about 100 characters wide, in an order that follows from the documents alone.
func (r Report) Text() string {
	var b strings.Builder
	r.write(&b)
	return b.String()
}

func (r Report) write(w io.Writer) {
	documents, closings := r.Documents()
	verdict := "Everything is there, and everything adds up."
	if !r.OK() {
		verdict = "Something is missing or does not add up. It was kept as it is; see below."
	}
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // a strings.Builder never fails
	p("%d documents and %d closings of %d shops were checked.\n%s\n", documents, closings, len(r.Shops), verdict)
	p("Checked of each document: its number, the chain, the signature, its till and its amounts (R7, R8, R9).\n")
	p("Checked of each closing: number, chain, signature, the range it covers, and its sums against its receipts (R1 to R6, R12).\n")
	for _, s := range r.Shops {
		p("\nShop %s\n", s.Shop)
		if s.NoDocuments {
			p("  No receipt and no closing is archived.\n")
		}
		for _, x := range s.Series {
			p("  %-12s %s to %s: %d documents, %d missing; %d closings, %d documents after the last; %d findings\n", clip(x.Name),
				receipt.NumberText(x.Prefix, x.First), receipt.NumberText(x.Prefix, x.Last), x.Documents, x.Missing, x.Closings, x.Unclosed, x.Wrong)
		}
		for _, f := range s.Findings {
			sign := "!"
			if f.Note {
				sign = "-"
			}
			p("  %s %s%s\n", sign, f.Text, ruleOf(f))
		}
		if s.Wrong > int64(len(s.Findings)) {
			p("  ! %d more are not listed.\n", s.Wrong-int64(len(s.Findings)))
		}
	}
}

func ruleOf(f verify.Finding) string {
	if f.Code != verify.FindSums {
		return ""
	}
	var found []string
	for _, r := range rules {
		if strings.Contains(f.Text, r.part) {
			found = append(found, r.rule)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return " (" + strings.Join(found, ", ") + ")"
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
