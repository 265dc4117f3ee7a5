package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.now()
	_, pattern := s.mux.Handler(r)
	rt := s.routes[pattern]
	if rt == nil {
		rt = s.none
	}
	out := &httpapi.Answered{ResponseWriter: w}
	defer func() {
		if v := recover(); v != nil {
			s.panicked(out, r, rt, v)
		}
		took := s.now().Sub(began)
		rt.seen.Done(out.Status, took)
		// The route, not the path: paths hold IDs and queries what somebody looks for.
		s.log.DebugContext(r.Context(), "request", "method", httpapi.Clip(r.Method, 20), "route", rt.pattern, "status", out.Status,
			"bytes", out.Bytes, "time", took)
	}()
	setHeaders(out.Header())
	if rt.passed {
		s.mux.ServeHTTP(w, r) // it may take the connection over
		return
	}
	if p := s.serve(out, r, rt); p != nil {
		p.write(out)
	}
}

// serve does what every request needs before its route, and returns why it does not get there.
func (s *Server) serve(w *httpapi.Answered, r *http.Request, rt *route) *problem {
	slots := s.room
	if rt.long {
		slots = s.long
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		return newProblem(http.StatusServiceUnavailable, httpapi.CodeBusy, "try again in a second", "the cloud has too many requests at once")
	}
	ctx := r.Context()
	if !rt.long {
		// A write that began is finished and its answer kept even if the client hangs up: a repetition finds it.
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			ctx = context.WithoutCancel(ctx)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTime)
		defer cancel()
	}
	ctx, p := s.admit(ctx, r, rt)
	if p != nil {
		return p
	}
	r = r.WithContext(ctx)
	if rt == s.none {
		return s.noRoute(w, r)
	}
	limits := http.NewResponseController(w)
	if rt.long {
		s.mux.ServeHTTP(w, r)
		return nil
	}
	if err := limits.SetWriteDeadline(time.Now().Add(requestTime + writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return s.problemOf(ctx, fmt.Errorf("limit the time of a request: %w", err))
	}
	body, refused := httpapi.ReadBody(limits, w, r, s.bodyTime)
	if refused != nil {
		return &problem{Problem: *refused}
	}
	if rt.replica && s.o.Seats != nil {
		if there, p := s.elsewhere(ctx, r); p != nil || there != nil {
			if there != nil {
				there.ServeHTTP(w, r)
			}
			return p
		}
	}
	if r.Method == http.MethodPost {
		if key, given, p := keyOf(r); p != nil {
			return p
		} else if given && !rt.secret {
			return s.once(w, r, key, body)
		}
	}
	s.mux.ServeHTTP(w, r)
	return nil
}

// elsewhere returns what passes a request on to the server that holds its shop, nil if this one does. Nothing is passed on
// for a shop of another account.
func (s *Server) elsewhere(ctx context.Context, r *http.Request) (http.Handler, *problem) {
	text, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/shops/"), "/")
	v, err := s.shop(ctx, text)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	there, err := s.o.Seats.Elsewhere(ctx, v.ID)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return there, nil
}

// noRoute answers what matches no route, with 404 or 405 as the mux says.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) *problem {
	const hint = "GET /api/v1/openapi.json shows what there is"
	found := &captured{header: make(http.Header)}
	s.mux.ServeHTTP(found, r)
	if found.status != http.StatusMethodNotAllowed {
		return newProblem(http.StatusNotFound, httpapi.CodeNotFound, hint, "there is nothing under %s", httpapi.Clip(r.URL.Path, 200))
	}
	allow := found.header.Get("Allow")
	w.Header().Set("Allow", allow)
	return newProblem(http.StatusMethodNotAllowed, httpapi.CodeMethod, hint, "%s does not take %s, but %s", httpapi.Clip(r.URL.Path, 200), httpapi.Clip(r.Method, 20), allow)
}

// panicked answers a request whose handler broke.
func (s *Server) panicked(w *httpapi.Answered, r *http.Request, rt *route, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	id := errorID()
	s.log.ErrorContext(r.Context(), "a request broke", "id", id, "method", httpapi.Clip(r.Method, 20), "route", rt.pattern, "panic", fmt.Sprint(v),
		"stack", string(debug.Stack()))
	if w.Status != 0 {
		panic(http.ErrAbortHandler) // the answer began: the client must see that it is not whole
	}
	internal(id).write(w)
}

// errorID names one failure in the answer and in the log.
func errorID() string {
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
