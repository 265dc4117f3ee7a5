package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Codes of both APIs. They are part of them: append, never change.
const (
	CodeForeign     = "foreign-origin"
	CodeNotFound    = "not-found"
	CodeMethod      = "method-not-allowed"
	CodeTooLarge    = "too-large"
	CodeMalformed   = "malformed"    // no JSON at all, or none that can be read
	CodeContentType = "content-type" // JSON under another name
	CodeInvalid     = "invalid"      // JSON, but not what the operation takes
	CodeKey         = "idempotency-key"
	CodeKeyReused   = "idempotency-key-reused"
	CodeBusy        = "busy"
	CodeTimeout     = "timeout"
	CodeInternal    = "internal"
)

// ProblemType is the content type of a [Problem].
const ProblemType = "application/problem+json"

// StatusGone is not sent to anybody: the client hung up. It shows in metrics and logs.
const StatusGone = 499

// maxFieldErrors bounds the list of refused members in one answer.
const maxFieldErrors = 50

// Problem is an error answer as RFC 9457 has it. The APIs embed it in one with members of their own.
type Problem struct {
	Type   string       `json:"type" doc:"URN of the kind of problem: urn:tillmesh:problem: and the code" example:"urn:tillmesh:problem:not-found"`
	Title  string       `json:"title" doc:"Kind of problem in words, the same for all of its kind" example:"not found"`
	Status int          `json:"status" doc:"HTTP status" example:"404"`
	Detail string       `json:"detail" doc:"What happened, to which thing"`
	Code   string       `json:"code" doc:"Stable; decide by it" example:"not-found"`
	Hint   string       `json:"hint,omitempty" doc:"What to do next"`
	Field  string       `json:"field,omitempty" doc:"First member of the request that was refused" example:"body.name"`
	Errors []FieldError `json:"errors,omitempty" doc:"All members of the request that were refused"`
}

// FieldError is one member of a request that was refused.
type FieldError struct {
	Field  string `json:"field" doc:"Where: path, query, header or body, then members and indexes" example:"body.prices[0].from"`
	Detail string `json:"detail" doc:"What is wrong with it"`
}

// New returns a problem with a code and a text.
func New(status int, code, hint, format string, args ...any) Problem {
	return Problem{
		Type: "urn:tillmesh:problem:" + code, Title: strings.ReplaceAll(code, "-", " "), Status: status,
		Detail: fmt.Sprintf(format, args...), Code: code, Hint: hint,
	}
}

// Refused refuses one member of a request.
func Refused(code, field, hint, format string, args ...any) Problem {
	p := New(http.StatusUnprocessableEntity, code, hint, format, args...)
	p.Field = field
	p.Errors = []FieldError{{field, p.Detail}}
	return p
}

// OfHuma turns what huma found wrong with a request into a problem; hint is where to look what the operation takes. Values are
// not repeated: they may be large or secret.
func OfHuma(m *huma.ErrorModel, hint string) Problem {
	code := CodeInvalid
	switch m.Status {
	case http.StatusBadRequest:
		code = CodeMalformed
	case http.StatusUnsupportedMediaType:
		code = CodeContentType
	case http.StatusRequestEntityTooLarge:
		code, hint = CodeTooLarge, ""
	}
	p := New(m.Status, code, hint, "%s", m.Detail)
	for _, e := range m.Errors {
		if e != nil && len(p.Errors) < maxFieldErrors {
			p.Errors = append(p.Errors, FieldError{Clip(e.Location, 200), Clip(e.Message, 300)})
		}
	}
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Field, p.Detail = first.Field, first.Detail
		if first.Field != "" {
			p.Detail = first.Field + ": " + first.Detail
		}
	}
	return p
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells huma the content type.
func (p *Problem) ContentType(string) string { return ProblemType }

// Answer is a problem with the members of one API; huma asks the same of it.
type Answer interface {
	huma.StatusError
	huma.HeadersError
}

// Write sends a problem.
func Write(w http.ResponseWriter, p Answer) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", ProblemType)
	w.WriteHeader(p.GetStatus())
	b, err := json.Marshal(p)
	if err != nil { // a struct of texts and numbers
		return
	}
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(append(b, '\n'))
}

// Clip shortens what a client sent to n bytes before it is repeated to it or to a log.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
