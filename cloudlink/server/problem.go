package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Codes of this package, beside those of package httpapi and package accounts. They are part of the API: append, never change.
const (
	codeUpdate   = "update-needed"
	codeConfirm  = "not-confirmed"
	codeDatabase = "database-down"
	codeFull     = "database-full"
	codeNoTill   = "no-till-yet" // of package replicas
)

// problem is an error answer as RFC 9457 has it.
type problem struct {
	httpapi.Problem

	Since string `json:"since,omitempty" doc:"device-revoked: since when, RFC 3339"`
	Rules []rule `json:"rules,omitempty" doc:"password-rules: all rules"`

	wait time.Duration // for Retry-After
}

// newProblem returns a problem with a code and a text.
func newProblem(status int, code, hint, format string, args ...any) *problem {
	return &problem{Problem: httpapi.New(status, code, hint, format, args...)}
}

// invalid refuses one member of a request.
func invalid(field, format string, args ...any) *problem {
	return &problem{Problem: httpapi.Refused(httpapi.CodeInvalid, field, "", format, args...)}
}

// refusalStatus is the status of refusals that have not 422.
var refusalStatus = map[string]int{
	accounts.CodeNameTaken:    http.StatusConflict,
	accounts.CodeSignIn:       http.StatusForbidden, // 401 would say that a token is missing
	accounts.CodeAttempts:     http.StatusTooManyRequests,
	accounts.CodeBusy:         http.StatusServiceUnavailable,
	accounts.CodeUnauthorized: http.StatusUnauthorized,
	accounts.CodeRight:        http.StatusForbidden,
	accounts.CodeTooMany:      http.StatusConflict,
	accounts.CodeUnknown:      http.StatusNotFound,
	accounts.CodeNoShop:       http.StatusNotFound,
	accounts.CodeNoDevice:     http.StatusNotFound,
	accounts.CodeCoupling:     http.StatusForbidden,
	accounts.CodeOtherTill:    http.StatusConflict,
	accounts.CodeProof:        http.StatusForbidden,
	accounts.CodeWrongAccount: http.StatusConflict,
	accounts.CodeNotCoupled:   http.StatusNotFound,
	accounts.CodeRevoked:      http.StatusForbidden,
	codeNoTill:                http.StatusConflict,
}

// known maps errors of the packages below, the first that fits.
var known = []struct {
	err    error
	status int
	code   string
	hint   string
}{
	{ErrNotFound, http.StatusNotFound, httpapi.CodeNotFound, ""},
	{ErrCursor, http.StatusUnprocessableEntity, httpapi.CodeInvalid, "begin the list anew"},
	{ErrBusy, http.StatusServiceUnavailable, httpapi.CodeBusy, "try again in a second"},
	{crdt.ErrUpdateNeeded, http.StatusUnprocessableEntity, codeUpdate, "it was written by a newer program; the cloud needs an update"},
	{catalog.ErrInvalid, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{crdt.ErrID, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{crdt.ErrTooLarge, http.StatusRequestEntityTooLarge, httpapi.CodeTooLarge, "send it in smaller parts"},
	{rows.ErrUnreachable, http.StatusServiceUnavailable, codeDatabase, "try again; nothing was changed"},
	{rows.ErrInUse, http.StatusServiceUnavailable, codeDatabase, "try again; nothing was changed"},
	{rows.ErrFull, http.StatusInsufficientStorage, codeFull, "the cloud's operator has to make room"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, httpapi.CodeTimeout,
		"it may have been done all the same: repeat it with the same Idempotency-Key, or look before you repeat it"},
	{context.Canceled, httpapi.StatusGone, httpapi.CodeBusy, ""},
}

// problemOf returns the answer to an error. What is none of the client's business is logged under an ID and told as that
// ID only.
func (s *Server) problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if p, ok := errors.AsType[*httpapi.Problem](err); ok {
		return &problem{Problem: *p}
	}
	if r, ok := errors.AsType[*accounts.Refusal](err); ok {
		return ofRefusal(r)
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			if k.status == http.StatusServiceUnavailable || k.status == http.StatusInsufficientStorage {
				s.log.WarnContext(ctx, "a request could not be served", "code", k.code, "error", err)
				return newProblem(k.status, k.code, k.hint, "%s", k.err.Error()) // the rest is about the operator's machines
			}
			return newProblem(k.status, k.code, k.hint, "%s", err.Error())
		}
	}
	id := errorID()
	s.log.ErrorContext(ctx, "a request failed", "id", id, "error", err)
	return internal(id)
}

func internal(id string) *problem {
	return newProblem(http.StatusInternalServerError, httpapi.CodeInternal, "the log of the cloud says more under this ID", "something went wrong in the cloud (%s)", id)
}

func ofRefusal(r *accounts.Refusal) *problem {
	status := refusalStatus[r.Code]
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	p := newProblem(status, r.Code, r.Next, "%s", r.Text)
	p.wait, p.Since, p.Rules = r.Wait, instant(r.Since), showRules(r.Rules)
	return p
}

// ofHuma tells what huma found wrong with a request.
func ofHuma(m *huma.ErrorModel) *problem {
	return &problem{Problem: httpapi.OfHuma(m, "GET /api/v1/openapi.json shows what the operation takes")}
}

// GetHeaders tells huma, and write, what goes with the status.
func (p *problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {`Bearer realm="cloud"`}}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return http.Header{"Retry-After": {strconv.Itoa(int(max(p.wait.Seconds(), 1)))}}
	}
	return nil
}

// write sends a problem.
func (p *problem) write(w http.ResponseWriter) { httpapi.Write(w, p) }
