package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/node"
)

const (
	// requestTime bounds one request, except the stream of events.
	requestTime = 30 * time.Second
	// writeTime is how much longer a client may take to read the answer.
	writeTime = 30 * time.Second
	// bodyTime is how long a client may take to send what it asks.
	bodyTime = 10 * time.Second
)

// Options say how to serve.
type Options struct {
	Version string       // of the program
	Log     *slog.Logger // nil: nothing is logged
	Hosts   []string     // names in the Host header that are taken beside IP addresses and localhost, without a port
}

// server answers requests. It is safe for concurrent use.
type server struct {
	till   *node.Till
	log    *slog.Logger
	guard  guard
	kept   *replays
	names  *names
	around *around

	mux     *http.ServeMux
	routes  map[string]*route // by pattern of mux
	none    *route            // for requests that match none
	doc     huma.API
	metrics *httpapi.Metrics
	room    chan struct{} // a slot for every request under way
	streams chan struct{} // a slot for every stream of events
	edits   edits
}

// edits lets one request at a time read a document and write it back with what it changes, so that two that name
// different members of one register do not undo each other.
type edits struct{ mu sync.Mutex }

// begin waits for its turn and returns what ends it.
func (e *edits) begin() (end func()) {
	e.mu.Lock()
	return e.mu.Unlock
}

// route is what is known of requests that match one pattern.
type route struct {
	pattern string
	public  bool // needs no token
	stream  bool // has no end: no timeout, slots of its own
	secret  bool // its body holds a password: neither the request nor the answer is kept
	slow    bool // ends when it is done or the client hangs up: like a stream, but with a body; needs no Idempotency-Key
	seen    httpapi.RouteMetrics
}

// New returns the handler of all of a till's HTTP paths. It starts nothing and needs no closing; streams of events end
// when their request's context is done or the till stops.
func New(t *node.Till, o Options) (http.Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{
		till: t, log: o.Log, guard: newGuard(t.Token(), o.Hosts), kept: newReplays(t, o.Log), names: &names{till: t}, around: &around{till: t},
		mux: http.NewServeMux(), routes: make(map[string]*route), none: &route{pattern: "none"},
		room: make(chan struct{}, maxRequests), streams: make(chan struct{}, maxStreams),
	}
	s.metrics = newMetrics(t, o.Version)
	s.doc = humago.New(s, document(o.Version))
	s.addStatus()
	s.addSettings()
	s.addArticles()
	s.addGroups()
	s.addTaxes()
	s.addTabs()
	s.addLines()
	s.addTabWork()
	s.addCaseWays()
	s.addCorrections()
	s.addResolve()
	s.addCash()
	s.addPayments()
	s.addReceipts()
	s.addClosings()
	s.addTerminal()
	s.addPrints()
	s.addSigning()
	s.addVerify()
	s.addLoss()
	s.addWhy()
	s.addCopies()
	s.addCloud()
	s.addPairing()
	s.addBackup()
	s.addRecover()
	s.addAlarms()
	s.addAudits()
	s.addEvents()
	s.addHealth()
	s.addDoctor()
	if err := s.addDocument(); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	for _, r := range s.routes {
		r.seen = s.metrics.Route(r.pattern)
	}
	s.none.seen = s.metrics.Route(s.none.pattern)
	return s, nil
}

// HandleFunc adds a route; huma calls it for every operation.
func (s *server) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	s.routes[pattern] = &route{pattern: pattern}
	s.mux.HandleFunc(pattern, handle)
}

// raw adds a route that huma does not serve.
func (s *server) raw(pattern string, r route, handle http.HandlerFunc) {
	r.pattern = pattern
	s.routes[pattern] = &r
	s.mux.HandleFunc(pattern, handle)
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	_, pattern := s.mux.Handler(r)
	rt := s.routes[pattern]
	if rt == nil {
		rt = s.none
	}
	out := &httpapi.Answered{ResponseWriter: w}
	defer func() {
		if v := recover(); v != nil {
			s.panicked(out, r, v)
		}
		rt.seen.Done(out.Status, time.Since(began))
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			s.log.DebugContext(r.Context(), "request", "method", r.Method, "route", rt.pattern, "status", out.Status,
				"bytes", out.Bytes, "time", time.Since(began), "from", r.RemoteAddr)
		}
	}()
	setHeaders(out.Header())
	if p := s.serve(out, r, rt); p != nil {
		p.write(out)
	}
}

// serve does what every request needs before its route, and returns why it does not get there.
func (s *server) serve(w *httpapi.Answered, r *http.Request, rt *route) *problem {
	if p := s.guard.check(r, rt.public); p != nil {
		return p
	}
	slots := s.room
	if rt.stream || rt.slow {
		slots = s.streams
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		return newProblem(http.StatusServiceUnavailable, httpapi.CodeBusy, "try again in a second", "the till has too many requests at once")
	}
	if rt == s.none {
		return s.noRoute(w, r)
	}
	if rt.stream {
		s.mux.ServeHTTP(w, r)
		return nil
	}
	if rt.slow {
		if _, p := readBody(http.NewResponseController(w), w, r); p != nil {
			return p
		}
		s.mux.ServeHTTP(w, r)
		return nil
	}
	// A write that began is finished and its answer kept even if the client hangs up: a repetition finds it.
	ctx := r.Context()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r = r.WithContext(ctx)
	limits := http.NewResponseController(w)
	if err := limits.SetWriteDeadline(time.Now().Add(requestTime + writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return s.problemOf(ctx, fmt.Errorf("limit the time of a request: %w", err))
	}
	body, p := readBody(limits, w, r)
	if p != nil {
		return p
	}
	if r.Method == http.MethodPost && !rt.secret {
		if key, given, p := keyOf(r); p != nil {
			return p
		} else if given {
			return s.once(w, r, key, body)
		}
	}
	s.mux.ServeHTTP(w, r)
	return nil
}

func readBody(limits *http.ResponseController, w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	body, p := httpapi.ReadBody(limits, w, r, bodyTime)
	if p != nil {
		return nil, &problem{Problem: *p}
	}
	return body, nil
}

// noRoute answers what matches no route, with 404 or 405 as the mux says.
func (s *server) noRoute(w http.ResponseWriter, r *http.Request) *problem {
	found := &captured{header: make(http.Header)}
	s.mux.ServeHTTP(found, r)
	if found.status != http.StatusMethodNotAllowed {
		return newProblem(http.StatusNotFound, httpapi.CodeNotFound, "GET /api shows what there is", "there is nothing under %s", httpapi.Clip(r.URL.Path, 200))
	}
	allow := found.header.Get("Allow")
	w.Header().Set("Allow", allow)
	return newProblem(http.StatusMethodNotAllowed, httpapi.CodeMethod, "GET /api shows what there is",
		"%s does not take %s, but %s", httpapi.Clip(r.URL.Path, 200), httpapi.Clip(r.Method, 20), allow)
}

// panicked answers a request whose handler broke.
func (s *server) panicked(w *httpapi.Answered, r *http.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.log.ErrorContext(r.Context(), "a request broke", "method", r.Method, "path", httpapi.Clip(r.URL.Path, 200), "panic", fmt.Sprint(v),
		"stack", string(debug.Stack()))
	if w.Status != 0 {
		panic(http.ErrAbortHandler) // the answer began: the client must see that it is not whole
	}
	newProblem(http.StatusInternalServerError, httpapi.CodeInternal, "the log of the till says more", "something went wrong in the till").write(w)
}

// answer is how huma wants a result.
type answer[T any] struct{ Body T }

// add adds an operation: huma decodes and checks, handle does it.
func add[I, O any](s *server, op opDoc, handle func(context.Context, *I) (O, error)) {
	s.describe(&op)
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &answer[O]{out}, nil
	})
}

// addQuiet adds an operation that answers with nothing but 204.
func addQuiet[I any](s *server, op opDoc, handle func(context.Context, *I) error) {
	s.describe(&op)
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*struct{}, error) {
		if err := handle(ctx, in); err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return nil, nil
	})
}

// opDoc is an operation as the document shows it.
type opDoc = huma.Operation

// operation names an operation. Words are its tag, ID, summary and description.
func operation(method, path, tag, id, summary, description string) opDoc {
	return opDoc{
		Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{tag},
		Description: strings.TrimSpace(description),
	}
}
