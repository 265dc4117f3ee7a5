package verify

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Codes of [Finding], beside those of package receipt, which mean the same here. They are stable.
const (
	FindDocument = "document"      // something in a document does not recompute or is not in its format
	FindItem     = "item"          // a document under the ID of another one
	FindMember   = "member"        // the till is not one of the shop
	FindOpening  = "opening"       // the opening of a series is missing, or says something wrong about what it continues
	FindEnd      = "end"           // the series went further than its documents do
	FindDevice   = "device"        // what the signing device said does not hold
	FindRange    = "closing-range" // a closing does not begin where the one before it ended, or covers what is not there
	FindSums     = "closing-sums"  // a closing does not say what its receipts come to
)

// What a finding is about.
const (
	AboutReceipt = "receipt"
	AboutOpening = "opening"
	AboutClosing = "closing"
)

// maxFindings bounds the list; what is beyond it is counted.
const maxFindings = 1000

// Finding is one thing that is wrong, or a note about it.
type Finding struct {
	Code   string
	Note   bool   // worth knowing, but nothing is wrong
	About  string // one of the About constants
	Series Series
	Number int64  // of the receipt or closing; 0 if it is not known
	Last   int64  // of a gap: the last number missing; else Number
	Text   string // a sentence for a person
}

// Summary is what was found of one series.
type Summary struct {
	Series
	Name        string // of the till, as its last document says
	First, Last int64  // numbers
	LastHash    receipt.Digest
	Documents   int64 // read, one that is there twice counts twice
	Missing     int64 // numbers
	Closings    int64
	LastClosing int64 // Z number
	Unclosed    int64 // documents after the last closing
	Unsigned    int64 // documents that say that the signing device did not answer
	Wrong       int64 // findings, notes not counted
}

// Report is what a verification came to.
type Report struct {
	Series    []Summary // in the order in which they were read
	Documents int64
	Closings  int64
	Counts    map[string]int64 // findings and notes by code, also those beyond the list
	Findings  []Finding        // the first 1000
	Wrong     int64            // findings, notes not counted
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return r.Wrong == 0 }

// Progress is told now and then. The function that gets it must not block.
type Progress struct {
	Documents int64
	Series    string // that is being read
	Number    int64
	Wrong     int64
}

// find notes a finding.
func (r *Report) find(f Finding) {
	r.Counts[f.Code]++
	if !f.Note {
		r.Wrong++
	}
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	}
}

// note is a finding with which nothing is wrong.
func note(code string) bool { return code == receipt.NoteDuplicate || code == receipt.NoteTime }

// NumberText returns what a finding is about as people name it, such as "K2-000418" or "K2 Z 17".
func (f Finding) NumberText() string {
	if f.About == AboutClosing {
		return receipt.ZText(f.Series.Prefix, f.Number)
	}
	text := receipt.NumberText(f.Series.Prefix, f.Number)
	if f.Last > f.Number {
		text += fmt.Sprintf(" to %s", receipt.NumberText(f.Series.Prefix, f.Last))
	}
	return text
}
