package rksv

import (
	"bufio"
	"encoding/base64"
	"io"
)

// Names in a log (DEP 7, Datenerfassungsprotokoll).
const (
	depGroups      = "Belege-Gruppe"
	depCertificate = "Signaturzertifikat"
	depAuthorities = "Zertifizierungsstellen"
	depReceipts    = "Belege-kompakt"
)

// Writer writes a log, group by group. The first error sticks.
type Writer struct {
	out      *bufio.Writer
	groups   int
	receipts int // of the group
	closed   bool
	err      error
}

// NewWriter returns a writer of one log. Close completes it.
func NewWriter(w io.Writer) *Writer { return &Writer{out: bufio.NewWriter(w)} }

// Group begins a group: certificate is the DER form of the signing certificate, nil in a closed system or if it is handed
// over otherwise, authorities those above it.
func (w *Writer) Group(certificate []byte, authorities [][]byte) error {
	if w.groups == 0 {
		w.print(`{"`+depGroups+`":[`, "\n")
	} else {
		w.print("\n]},\n")
	}
	w.groups++
	w.receipts = 0
	w.print(`{"`, depCertificate, `":"`, base64.StdEncoding.EncodeToString(certificate), `","`, depAuthorities, `":[`)
	for i, a := range authorities {
		if i > 0 {
			w.print(",")
		}
		w.print(`"`, base64.StdEncoding.EncodeToString(a), `"`)
	}
	w.print(`],"`, depReceipts, `":[`)
	return w.err
}

// Add writes the next receipt, in JWS form, verbatim. The first one begins a group without certificate if there is none.
// It returns [ErrFormat] for what is no receipt; nothing is written then.
func (w *Writer) Add(jws string) error {
	if _, err := ParseJWS(jws); err != nil {
		return err
	}
	if w.groups == 0 {
		if err := w.Group(nil, nil); err != nil {
			return err
		}
	}
	if w.receipts > 0 {
		w.print(",")
	}
	w.receipts++
	w.print("\n\"", jws, `"`)
	return w.err
}

// Close completes the log. It does not close what it is written to.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.groups == 0 {
		w.print(`{"`, depGroups, `":[]}`, "\n")
	} else {
		w.print("\n]}\n]}\n")
	}
	if err := w.out.Flush(); w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *Writer) print(texts ...string) {
	for _, s := range texts {
		if w.err == nil {
			_, w.err = w.out.WriteString(s)
		}
	}
}
