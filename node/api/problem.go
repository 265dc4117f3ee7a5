package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Codes of this package, beside those of [node.Refusal]. They are part of the API: append, never change.
const (
	codeUnauthorized = "unauthorized"
	codeForeign      = "foreign-origin"
	codeNotFound     = "not-found"
	codeMethod       = "method-not-allowed"
	codeTooLarge     = "too-large"
	codeMalformed    = "malformed"    // no JSON at all, or none that can be read
	codeContentType  = "content-type" // JSON under another name
	codeInvalid      = "invalid"      // JSON, but not what the operation takes
	codeKey          = "idempotency-key"
	codeKeyReused    = "idempotency-key-reused"
	codeInvitations  = "too-many-invitations"
	codeBusy         = "busy"
	codeTimeout      = "timeout"
	codeStopping     = "stopping"
	codeInternal     = "internal"
	codeNoShop       = "no-shop"
)

const problemType = "application/problem+json"

// statusGone is not sent to anybody: the client hung up. It shows in metrics and logs.
const statusGone = 499

// problem is an error answer as RFC 9457 has it.
type problem struct {
	Type   string       `json:"type" doc:"URN of the kind of problem: urn:tillmesh:problem: and the code" example:"urn:tillmesh:problem:tab-closed"`
	Title  string       `json:"title" doc:"Kind of problem in words, the same for all of its kind" example:"tab closed"`
	Status int          `json:"status" doc:"HTTP status" example:"409"`
	Detail string       `json:"detail" doc:"What happened, to which thing"`
	Code   string       `json:"code" doc:"Stable; decide by it" example:"tab-closed"`
	Hint   string       `json:"hint,omitempty" doc:"What to do next"`
	Field  string       `json:"field,omitempty" doc:"First member of the request that was refused" example:"body.quantity"`
	Errors []fieldError `json:"errors,omitempty" doc:"All members of the request that were refused"`

	Due     *int64 `json:"due,omitempty" doc:"not-paid: what is still to be paid, in minor units"`
	Receipt string `json:"receipt,omitempty" doc:"tab-closed: number of the receipt" example:"K2-000418"`
	HeldBy  string `json:"held_by,omitempty" doc:"held-by: who works on the tab"`
}

// fieldError is one member of a request that was refused.
type fieldError struct {
	Field  string `json:"field" doc:"Where: path, query, header or body, then members and indexes" example:"body.prices[0].from"`
	Detail string `json:"detail" doc:"What is wrong with it"`
}

// Error returns the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus tells huma the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// ContentType tells huma the content type.
func (p *problem) ContentType(string) string { return problemType }

// newProblem returns a problem with a code and a text.
func newProblem(status int, code, hint, format string, args ...any) *problem {
	return &problem{
		Type: "urn:tillmesh:problem:" + code, Title: strings.ReplaceAll(code, "-", " "), Status: status,
		Detail: fmt.Sprintf(format, args...), Code: code, Hint: hint,
	}
}

// invalid refuses one member of a request.
func invalid(field, format string, args ...any) *problem {
	return fieldRefused(codeInvalid, field, "", format, args...)
}

// fieldRefused refuses one member of a request with a code of its own.
func fieldRefused(code, field, hint, format string, args ...any) *problem {
	p := newProblem(http.StatusUnprocessableEntity, code, hint, format, args...)
	p.Field = field
	p.Errors = []fieldError{{field, p.Detail}}
	return p
}

// refusalStatus is the status of refusals that have not 422.
var refusalStatus = map[string]int{
	node.CodeUnknownArticle: http.StatusNotFound,
	node.CodeNoTab:          http.StatusNotFound,
	node.CodeNoLine:         http.StatusNotFound,
	node.CodeTabClosed:      http.StatusConflict,
	node.CodeHeld:           http.StatusConflict,
	node.CodeExists:         http.StatusConflict,
}

// known maps errors of the packages below, the first that fits: a price that names a tax which is not there is invalid, not
// missing itself.
var known = []struct {
	err    error
	status int
	code   string
	hint   string
}{
	{node.ErrNoShop, http.StatusConflict, codeNoShop, ""},
	{node.ErrCursor, http.StatusUnprocessableEntity, codeInvalid, ""},
	{node.ErrKeyReused, http.StatusUnprocessableEntity, codeKeyReused, ""},
	{crdt.ErrTooLarge, http.StatusRequestEntityTooLarge, codeTooLarge, "send it in smaller parts"},
	{crdt.ErrUpdateNeeded, http.StatusUnprocessableEntity, node.CodeUpdateNeeded, "update the program of this till"},
	{receipt.ErrOverflow, http.StatusUnprocessableEntity, node.CodeOverflow, ""},
	{catalog.ErrInvalid, http.StatusUnprocessableEntity, codeInvalid, ""},
	{shop.ErrInvalid, http.StatusUnprocessableEntity, codeInvalid, ""},
	{receipt.ErrInvalid, http.StatusUnprocessableEntity, codeInvalid, ""},
	{crdt.ErrID, http.StatusUnprocessableEntity, codeInvalid, ""},
	{node.ErrNotFound, http.StatusNotFound, codeNotFound, ""},
	{pairing.ErrTooManyOpen, http.StatusTooManyRequests, codeInvitations, "use one of the open tokens, or wait until they expire"},
	{pairing.ErrTooManyAttempts, http.StatusTooManyRequests, codeInvitations, ""},
	{engine.ErrStopped, http.StatusServiceUnavailable, codeStopping, "try again when the till runs"},
	{rows.ErrClosed, http.StatusServiceUnavailable, codeStopping, "try again when the till runs"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, codeTimeout,
		"it may have been done all the same: repeat it with the same Idempotency-Key, or look before you repeat it"},
	{context.Canceled, statusGone, codeStopping, ""},
}

// problemOf returns the answer to an error. What is none of the client's business is logged under an ID and told as that
// ID only.
func (s *server) problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*node.Refusal](err); ok {
		return ofRefusal(r)
	}
	for _, k := range known {
		if !errors.Is(err, k.err) {
			continue
		}
		p := newProblem(k.status, k.code, k.hint, "%s", err.Error())
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok && h.Hint() != "" {
			p.Hint = h.Hint()
		}
		return p
	}
	var id [6]byte
	_, _ = rand.Read(id[:])
	p := newProblem(http.StatusInternalServerError, codeInternal, "the log of the till says more under this ID",
		"something went wrong in the till (%s)", hex.EncodeToString(id[:]))
	s.log.ErrorContext(ctx, "a request failed", "id", hex.EncodeToString(id[:]), "error", err)
	return p
}

func ofRefusal(r *node.Refusal) *problem {
	status := refusalStatus[r.Code]
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	p := newProblem(status, r.Code, r.Next, "%s", r.Text)
	switch r.Code {
	case node.CodeNotPaid:
		p.Due = &r.Due
	case node.CodeTabClosed:
		p.Receipt = r.Ref
	case node.CodeHeld:
		p.HeldBy = r.Ref
	}
	return p
}

// ofHuma turns what huma found wrong with a request into a problem. Values are not repeated: they may be large or secret.
func ofHuma(m *huma.ErrorModel) *problem {
	code := codeInvalid
	switch m.Status {
	case http.StatusBadRequest:
		code = codeMalformed
	case http.StatusUnsupportedMediaType:
		code = codeContentType
	case http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	}
	p := newProblem(m.Status, code, "", "%s", m.Detail)
	if code != codeTooLarge {
		p.Hint = "GET /api shows what the operation takes"
	}
	for _, e := range m.Errors {
		if e != nil && len(p.Errors) < maxFieldErrors {
			p.Errors = append(p.Errors, fieldError{clip(e.Location, 200), clip(e.Message, 300)})
		}
	}
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Field = first.Field
		p.Detail = first.Detail
		if first.Field != "" {
			p.Detail = first.Field + ": " + first.Detail
		}
	}
	return p
}

// maxFieldErrors bounds the list of refused members in one answer.
const maxFieldErrors = 50

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// GetHeaders tells huma, and write, what goes with the status.
func (p *problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {`Bearer realm="till"`}}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return http.Header{"Retry-After": {"1"}}
	}
	return nil
}

// write sends a problem.
func (p *problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	b, err := json.Marshal(p)
	if err != nil { // a struct of texts and numbers
		return
	}
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(append(b, '\n'))
}
