package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

const (
	// requestTime bounds one request, except long ones.
	requestTime = 30 * time.Second
	// writeTime is how much longer a client may take to read the answer.
	writeTime = 30 * time.Second
	// bodyTime is how long a client may take to send what it asks.
	bodyTime = 10 * time.Second

	maxRequests = 512 // at once
	maxLong     = 64  // downloads at once
)

// Options say what to serve. Accounts and DB are needed; the operations of a port that is nil are not there.
type Options struct {
	Accounts  *accounts.Accounts
	DB        *database.DB
	Documents Documents
	Archive   Log
	Reports   Reports
	Exports   Exports
	Holds     Holds
	Replicas  Replicas
	Watch     Watch
	Seats     Seats        // nil: this server works on all shops
	Uplink    http.Handler // answers GET /api/v1/uplink; it checks who asks by itself

	Version    string                 // of the program
	OldestTill string                 // program of a till that is let in; empty: all are
	Log        *slog.Logger           // nil: nothing is logged
	Now        func() time.Time       // default time.Now
	Proxies    []netip.Prefix         // that stand in front; only they say for whom they ask (X-Forwarded-For)
	Metrics    string                 // token for /metrics; empty: only this machine without a proxy may look
	Collectors []prometheus.Collector // figures of other packages, for /metrics
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	o       Options
	log     *slog.Logger
	now     func() time.Time
	since   time.Time
	mux     *http.ServeMux
	routes  map[string]*route // by pattern of mux
	none    *route            // for requests that match none
	doc     huma.API
	metrics *httpapi.Metrics
	room    chan struct{} // a slot for every request under way
	long    chan struct{} // a slot for every download under way

	bodyTime time.Duration
	looked   databaseLook
}

// route is what is known of requests that match one pattern.
type route struct {
	pattern string
	public  bool // needs no token; one that is given is not looked at
	either  bool // a token or a coupling code
	long    bool // has no end of its own: no timeout, slots of its own
	passed  bool // served by somebody else, untouched
	replica bool // needs the shop's replica: passed on to the server that holds it
	secret  bool // its body or answer holds a password or the token of a session: answers are not kept
	seen    httpapi.RouteMetrics
}

// New returns the server. It starts nothing; see [Server.Run].
func New(o Options) (*Server, error) {
	if o.Accounts == nil || o.DB == nil {
		return nil, errors.New("the server needs accounts and a database")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		o: o, log: o.Log, now: o.Now, since: o.Now(), mux: http.NewServeMux(), routes: make(map[string]*route), none: &route{pattern: "none"},
		room: make(chan struct{}, maxRequests), long: make(chan struct{}, maxLong), bodyTime: bodyTime,
	}
	s.metrics = newMetrics(o)
	s.doc = humago.New(s, document(o.Version))
	s.addAccounts()
	s.addSessions()
	s.addKeys()
	s.addCodes()
	s.addCoupling()
	s.addShops()
	s.addPorts()
	s.addStatus()
	s.addHealth()
	if o.Uplink != nil {
		s.raw("GET /api/v1/uplink", route{public: true, long: true, passed: true}, o.Uplink.ServeHTTP)
	}
	if err := s.addDocument(); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	for _, r := range s.routes {
		r.seen = s.metrics.Route(r.pattern)
	}
	s.none.seen = s.metrics.Route(s.none.pattern)
	return s, nil
}

// addPorts adds the operations of the ports that are there.
func (s *Server) addPorts() {
	for _, port := range []struct {
		there bool
		add   func()
	}{
		{s.o.Replicas != nil, s.addArticles}, {s.o.Documents != nil, s.addDocuments}, {s.o.Archive != nil, s.addLog},
		{s.o.Reports != nil, s.addReports}, {s.o.Exports != nil, s.addExports}, {s.o.Holds != nil, s.addHolds},
		{s.o.Watch != nil, s.addWatch},
	} {
		if port.there {
			port.add()
		}
	}
}

// HTTP returns a server with limits against slow clients. The caller sets its address and owns it.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

const sweepEvery = 5 * time.Minute

// Run removes what ended, every few minutes, and looks at the database, until ctx is done. A failure is logged and tried again.
func (s *Server) Run(ctx context.Context) {
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() { s.watchDatabase(ctx) })
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := errors.Join(s.o.Accounts.Sweep(ctx), s.sweepReplies(ctx)); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "what ended could not be removed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// HandleFunc adds a route; huma calls it for every operation.
func (s *Server) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	s.routes[pattern] = &route{pattern: pattern}
	s.mux.HandleFunc(pattern, handle)
}

// raw adds a route that huma does not serve.
func (s *Server) raw(pattern string, r route, handle http.HandlerFunc) {
	r.pattern = pattern
	s.routes[pattern] = &r
	s.mux.HandleFunc(pattern, handle)
}

// mark changes what is known of an operation that was added.
func (s *Server) mark(op opDoc, change func(*route)) { change(s.routes[op.Method+" "+op.Path]) }
