package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Codes of this package, beside those of package httpapi and [node.Refusal]. They are part of the API: append, never change.
const (
	codeUnauthorized = "unauthorized"
	codeInvitations  = "too-many-invitations"
	codeStopping     = "stopping"
	codeNoShop       = "no-shop"
	codeNoRequest    = "no-request"
	codeDoorClosed   = "door-closed"
	codeDeclined     = "declined" // a new till cannot join as it asked
	codeAsking       = "asking"   // a till that belongs to no shop asks for admission already
)

// problem is an error answer as RFC 9457 has it.
type problem struct {
	httpapi.Problem

	Due       *int64 `json:"due,omitempty" doc:"not-paid: what is still to be paid, in minor units"`
	Receipt   string `json:"receipt,omitempty" doc:"already-refunded: those that took it back; tab-closed: number of the receipt" example:"K2-000418"`
	HeldBy    string `json:"held_by,omitempty" doc:"held-by, held-payment: the till that keeps the tab"`
	HeldSince string `json:"held_since,omitempty" doc:"held-by: since when somebody works on it there, RFC 3339"`
	HeldUser  string `json:"held_user,omitempty" doc:"held-by: who that is"`
}

// newProblem returns a problem with a code and a text.
func newProblem(status int, code, hint, format string, args ...any) *problem {
	return &problem{Problem: httpapi.New(status, code, hint, format, args...)}
}

// invalid refuses one member of a request.
func invalid(field, format string, args ...any) *problem {
	return fieldRefused(httpapi.CodeInvalid, field, "", format, args...)
}

// fieldRefused refuses one member of a request with a code of its own.
func fieldRefused(code, field, hint, format string, args ...any) *problem {
	return &problem{Problem: httpapi.Refused(code, field, hint, format, args...)}
}

// refusalStatus is the status of refusals that have not 422.
var refusalStatus = map[string]int{
	node.CodeUnknownArticle: http.StatusNotFound,
	node.CodeNoTab:          http.StatusNotFound,
	node.CodeNoLine:         http.StatusNotFound,
	node.CodeTabClosed:      http.StatusConflict,
	node.CodeOpenTabs:       http.StatusConflict,
	node.CodeDifference:     http.StatusConflict,
	node.CodeSoldSince:      http.StatusConflict,
	node.CodeDrawer:         http.StatusConflict,
	node.CodeNoClosing:      http.StatusConflict,
	node.CodeAlone:          http.StatusConflict,
	node.CodeGap:            http.StatusConflict,
	node.CodeHeld:           http.StatusConflict,
	node.CodeHeldPayment:    http.StatusConflict,
	node.CodeSameTab:        http.StatusConflict,
	node.CodeNotMerge:       http.StatusConflict,
	node.CodePaidMore:       http.StatusConflict,
	node.CodeNoCase:         http.StatusNotFound,
	node.CodeNoWay:          http.StatusConflict,
	node.CodeExists:         http.StatusConflict,
	node.CodeNoTill:         http.StatusNotFound,
	node.CodeNoAlarm:        http.StatusNotFound,
	node.CodeCopy:           http.StatusConflict,
	node.CodeAmbiguous:      http.StatusConflict,
	node.CodeLastTill:       http.StatusConflict,
	node.CodeDeparted:       http.StatusConflict,
	node.CodeInUse:          http.StatusConflict,
	node.CodeRemoved:        http.StatusConflict,
	node.CodeNothingSold:    http.StatusConflict,
	node.CodeIsRefund:       http.StatusConflict,
	node.CodeRefunded:       http.StatusConflict,
	node.CodeUnverified:     http.StatusConflict,
	node.CodeMoneyTaken:     http.StatusConflict,
	node.CodeResolved:       http.StatusConflict,
	node.CodeNoReceipt:      http.StatusNotFound,
	node.CodeElsewhere:      http.StatusConflict,
	node.CodeTooEarly:       http.StatusConflict,
	node.CodeTerminalBusy:   http.StatusConflict,
	node.CodeCardRunning:    http.StatusConflict,
	node.CodeCardUnknown:    http.StatusConflict,
	node.CodePaymentDecided: http.StatusConflict,
	node.CodeNotReversible:  http.StatusConflict,
	node.CodeNoTerminal:     http.StatusConflict,
	node.CodeNoPayment:      http.StatusNotFound,
	node.CodeBackRunning:    http.StatusConflict,
	node.CodeWentBack:       http.StatusConflict,
	node.CodeAskTerminal:    http.StatusConflict,
	node.CodePrintWaits:     http.StatusConflict,
	node.CodeVerifyRuns:     http.StatusConflict,
	node.CodeNoPrint:        http.StatusConflict,
	node.CodeNoSigner:       http.StatusNotFound,
	node.CodeMustBeSign:     http.StatusServiceUnavailable,
	node.CodeBackupRuns:     http.StatusConflict,
	node.CodeRecoverRuns:    http.StatusConflict,
	node.CodeNothingFound:   http.StatusNotFound,
	node.CodeFoundInUse:     http.StatusConflict,
	node.CodeFoundOther:     http.StatusConflict,
	node.CodeFoundOwn:       http.StatusConflict,
	node.CodeFoundChanged:   http.StatusConflict,
	node.CodeDiskFull:       http.StatusInsufficientStorage,
	node.CodeDiskReadOnly:   http.StatusInsufficientStorage,
	node.CodeDiskFailing:    http.StatusInsufficientStorage,
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
	{node.ErrCursor, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{node.ErrKeyReused, http.StatusUnprocessableEntity, httpapi.CodeKeyReused, ""},
	{crdt.ErrTooLarge, http.StatusRequestEntityTooLarge, httpapi.CodeTooLarge, "send it in smaller parts"},
	{crdt.ErrUpdateNeeded, http.StatusUnprocessableEntity, node.CodeUpdateNeeded, "update the program of this till"},
	{receipt.ErrOverflow, http.StatusUnprocessableEntity, node.CodeOverflow, ""},
	{catalog.ErrInvalid, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{shop.ErrInvalid, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{receipt.ErrInvalid, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{crdt.ErrID, http.StatusUnprocessableEntity, httpapi.CodeInvalid, ""},
	{node.ErrNotFound, http.StatusNotFound, httpapi.CodeNotFound, ""},
	{pairing.ErrTooManyOpen, http.StatusTooManyRequests, codeInvitations, "use one of the open tokens, or wait until they expire"},
	{pairing.ErrNoRequest, http.StatusNotFound, codeNoRequest, "list those that wait with GET /api/v1/pairing/requests"},
	{pairing.ErrDoorClosed, http.StatusTooManyRequests, codeDoorClosed, ""},
	{pairing.ErrBusy, http.StatusTooManyRequests, httpapi.CodeBusy, ""},
	{pairing.ErrDeclined, http.StatusConflict, codeDeclined, ""},
	{pairing.ErrHungUp, http.StatusConflict, codeNoRequest, "the new till is gone; let it ask again"},
	{pairing.ErrTooManyAttempts, http.StatusTooManyRequests, codeInvitations, ""},
	{rows.ErrFull, http.StatusInsufficientStorage, node.CodeDiskFull, "delete files that are not needed on this till"},
	{engine.ErrStopped, http.StatusServiceUnavailable, codeStopping, "try again when the till runs"},
	{rows.ErrClosed, http.StatusServiceUnavailable, codeStopping, "try again when the till runs"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, httpapi.CodeTimeout,
		"it may have been done all the same: repeat it with the same Idempotency-Key, or look before you repeat it"},
	{context.Canceled, httpapi.StatusGone, codeStopping, ""},
}

// problemOf returns the answer to an error. What is none of the client's business is logged under an ID and told as that
// ID only.
func (s *server) problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if p, ok := errors.AsType[*httpapi.Problem](err); ok {
		return &problem{Problem: *p}
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
	p := newProblem(http.StatusInternalServerError, httpapi.CodeInternal, "the log of the till says more under this ID",
		"something went wrong in the till (%s)", hex.EncodeToString(id[:]))
	s.log.ErrorContext(ctx, "a request failed", "id", hex.EncodeToString(id[:]), "error", err)
	return p
}

func ofRefusal(r *node.Refusal) *problem {
	status := cmp.Or(refusalStatus[r.Code], cloudStatuses[r.Code])
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	p := newProblem(status, r.Code, r.Next, "%s", r.Text)
	switch r.Code {
	case node.CodeNotPaid:
		p.Due = &r.Due
	case node.CodeTabClosed, node.CodeRefunded:
		p.Receipt = r.Ref
	case node.CodeHeld, node.CodeHeldPayment:
		p.HeldBy, p.HeldSince, p.HeldUser = r.Ref, instant(r.Since), r.User
	}
	return p
}

// ofHuma tells what huma found wrong with a request.
func ofHuma(m *huma.ErrorModel) *problem {
	return &problem{Problem: httpapi.OfHuma(m, "GET /api shows what the operation takes")}
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
func (p *problem) write(w http.ResponseWriter) { httpapi.Write(w, p) }
