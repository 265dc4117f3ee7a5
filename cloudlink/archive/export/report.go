package export

import (
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
)

// Finding is one thing that is wrong with an export.
type Finding struct {
	File     string // of the ZIP; empty: the ZIP itself
	Line     int64  // from 1; 0: the file as a whole
	Document string // what is there, as people name it, such as "K2-000418"; empty: no record
	Text     string // a sentence for a person

	frame bool // about the ZIP, not about contents
}

// maxFindings bounds the list; what is beyond it is counted.
const maxFindings = 1000

// Report is what verifying an export came to.
type Report struct {
	Manifest     Manifest
	Checkpoint   archive.Checkpoint // the latest in the file
	Cloud        string             // ID of the cloud that signed: compare it with the one that the tills show
	Expected     bool               // it is the one that was expected; false also if none was
	Documents    int64
	Erased       int64 // records without content, at a customer's wish
	Wrong        int64
	Findings     []Finding            // the first 1000
	Completeness *completeness.Report // nil: only some days are in the file, or it could not be read
}

// OK reports whether every byte is as it was written and signed. Whether the tills' documents hold in themselves is another question, which
// Completeness answers.
func (r *Report) OK() bool { return r.Wrong == 0 }

func (r *Report) find(file string, line int64, document, format string, args ...any) {
	r.Wrong++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{File: file, Line: line, Document: document, Text: fmt.Sprintf(format, args...)})
	}
}

// found reports whether anything was found in a file.
func (r *Report) found(file string) bool {
	for _, f := range r.Findings {
		if f.File == file {
			return true
		}
	}
	return false
}

// Text returns the report as plain text.
func (r *Report) Text() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	m := &r.Manifest
	if r.OK() {
		p("Every byte of this file is as the archive wrote and signed it.\n")
	} else {
		p("This file is not what the archive wrote: %d places are wrong. Ask for a new export, and keep this one.\n", r.Wrong)
	}
	for _, f := range r.Findings {
		p("  ! ")
		if f.File != "" {
			p("%s", f.File)
			if f.Line > 0 {
				p(", line %d", f.Line)
			}
			if f.Document != "" {
				p(" (%s)", clip(f.Document))
			}
			p(": ")
		}
		p("%s\n", f.Text)
	}
	if r.Wrong > int64(len(r.Findings)) {
		p("  ! %d more are not listed.\n", r.Wrong-int64(len(r.Findings)))
	}
	if r.Cloud != "" {
		known := "Compare this ID with the one that the tills show."
		if r.Expected {
			known = "It is the one that was expected."
		}
		p("Signed by the cloud %s. %s\n", r.Cloud, known)
	}
	p("%d of %d records of account %s, from %s to %s; %d documents, %d records erased. Checkpoint of %s.\n", m.Leaves, m.Size, m.Account, orStar(m.FromDay), orStar(m.ToDay),
		r.Documents, r.Erased, time.UnixMilli(r.Checkpoint.Time).UTC().Format(time.RFC3339))
	if r.Completeness != nil {
		p("\n%s", r.Completeness.Text())
	} else {
		p("Whether anything is missing between the documents was not checked: for that a file of all days is needed.\n")
	}
	return b.String()
}
