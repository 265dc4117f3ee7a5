package accept

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// Caller is a till that proved its key.
type Caller struct {
	Shop    crdt.ShopID
	Till    crdt.TillID
	Program string
	Account string // that its shop was coupled with, as it knows; empty: it does not say
	Remote  string // its address, or that of the proxy before this server
}

// Admission is what the caller of this package decided about a till that may come in.
type Admission struct {
	Welcome greeting.Welcome // TimeMS is set here
	// Serve speaks over the connection until it ends or ctx does, and closes it: an engine's Serve.
	Serve func(ctx context.Context, conn engine.Conn) error
	// Left is called when the session has ended, also if Serve was never called. nil: nobody is told.
	Left func()
}

// Config is what a Handler needs.
type Config struct {
	Key ed25519.PrivateKey // of the cloud
	// Mine reports whether a host, with its port as in a URL, lower case, is a name of this cloud. It must not follow
	// the Host header of requests: a server in between chooses that.
	Mine func(host string) bool
	// Admit decides about a till whose proof is right: its shop and account, whether it was revoked, the seat of the
	// shop, the number of the session. A *[greeting.Refusal] as the error is told to the till; any other one is logged, and the till hears
	// that the cloud is busy.
	Admit func(ctx context.Context, caller Caller) (Admission, error)
	// Closed reports why nobody may come in now, before anything is asked; nil: they may. nil as the function, too.
	Closed func() *greeting.Refusal

	Limits socket.Limits
	// Greetings is how many callers may be greeted at once; zero means 1000. PerAddress is how many of one address; zero means a
	// tenth of them. A proxy in front is one address.
	Greetings, PerAddress int
	Now                   func() time.Time // the cloud's clock; nil: time.Now
	Log                   *slog.Logger
}

// Handler takes uplinks; it is an http.Handler for [socket.Path]. Connections live longer than their requests, so it must be
// closed: an http.Server does not wait for them.
type Handler struct {
	cfg   Config
	ctx   context.Context // done when Close was called
	close context.CancelFunc
	work  sync.WaitGroup
	count counters

	mu struct {
		sync.Mutex
		closed   bool
		greeting map[string]int // by source address
		all      int
	}
}

// New returns a handler.
func New(cfg Config) *Handler {
	cfg.Greetings = cmp.Or(cfg.Greetings, 1000)
	cfg.PerAddress = cmp.Or(cfg.PerAddress, max(1, cfg.Greetings/10))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{cfg: cfg}
	h.ctx, h.close = context.WithCancel(context.Background())
	h.mu.greeting = make(map[string]int)
	return h
}

// Close ends all sessions and returns when the last one has ended. New ones are refused.
func (h *Handler) Close() {
	h.mu.Lock()
	h.mu.closed = true
	h.mu.Unlock()
	h.close()
	h.work.Wait()
}

// ServeHTTP takes an uplink and returns when it has ended.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source := sourceOf(r)
	if refused := h.enter(source); refused != nil {
		h.count.refuse(refused.Code)
		w.Header().Set("Retry-After", "2")
		http.Error(w, refused.Error(), http.StatusServiceUnavailable)
		return
	}
	defer h.work.Done()
	stream, err := socket.Accept(w, r, h.cfg.Limits)
	if err != nil {
		h.leave(source)
		h.count.strangers.Add(1)
		return
	}
	admission, caller, err := h.greet(stream, r.RemoteAddr)
	h.leave(source)
	if err != nil {
		err = errors.Join(err, stream.Close())
		h.cfg.Log.Info("an uplink was refused", "shop", caller.Shop, "till", caller.Till.Short(), "from", r.RemoteAddr, "error", err)
		return
	}
	h.serve(stream, admission, caller)
}

// enter takes a place among those who are greeted, and counts the caller as work.
func (h *Handler) enter(source string) *greeting.Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.mu.closed:
		return greeting.Refuse(greeting.Maintenance)
	case h.mu.all >= h.cfg.Greetings, h.mu.greeting[source] >= h.cfg.PerAddress:
		return greeting.Refuse(greeting.Busy)
	}
	h.mu.all++
	h.mu.greeting[source]++
	h.work.Add(1)
	return nil
}

func (h *Handler) leave(source string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.all--
	if h.mu.greeting[source]--; h.mu.greeting[source] == 0 {
		delete(h.mu.greeting, source)
	}
}

// sourceOf is the address that places are counted by. Behind a proxy it is the proxy's; headers are anybody's word.
func sourceOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// greet speaks the cloud's part of the greeting.
func (h *Handler) greet(stream *socket.Stream, remote string) (admission Admission, caller Caller, err error) {
	stop := context.AfterFunc(h.ctx, func() { _ = stream.Close() })
	defer stop()
	var nonce greeting.Nonce
	if _, err := rand.Read(nonce[:]); err != nil {
		return admission, caller, fmt.Errorf("draw a nonce: %w", err)
	}
	began := time.Now()
	g := greeting.Open(h.cfg.Key, nonce, h.cfg.Now().UnixMilli())
	if h.cfg.Closed != nil {
		if refused := h.cfg.Closed(); refused != nil {
			return admission, caller, h.refuse(stream, g, refused)
		}
	}
	if err := stream.Send(g.Challenge()); err != nil {
		return admission, caller, h.lost(err)
	}
	message, err := stream.Receive(greeting.MaxMessage, greeting.Patience)
	if err != nil {
		return admission, caller, h.lost(err)
	}
	proof, refused := g.Check(message, time.Since(began), h.cfg.Mine)
	if refused != nil {
		return admission, caller, h.refuse(stream, g, refused)
	}
	caller = Caller{Shop: proof.Shop, Till: proof.Till(), Program: proof.Program, Account: proof.Account, Remote: remote}
	admission, err = h.cfg.Admit(h.ctx, caller)
	if err != nil {
		refused := greeting.RefusalOf(err)
		if refused == nil {
			h.cfg.Log.Error("a till could not be let in", "shop", caller.Shop, "till", caller.Till.Short(), "error", err)
			refused = greeting.Refuse(greeting.Busy)
		}
		return admission, caller, h.refuse(stream, g, refused)
	}
	admission.Welcome.TimeMS = h.cfg.Now().UnixMilli()
	if err := stream.Send(g.Welcome(admission.Welcome)); err != nil {
		admission.left()
		return admission, caller, h.lost(err)
	}
	return admission, caller, nil
}

func (a Admission) left() {
	if a.Left != nil {
		a.Left()
	}
}

// lost counts a caller that went away or was too slow.
func (h *Handler) lost(err error) error {
	h.count.lost.Add(1)
	return err
}

// refuse tells the till why and gives it a moment to read that.
func (h *Handler) refuse(stream *socket.Stream, g *greeting.Greeting, refused *greeting.Refusal) error {
	h.count.refuse(refused.Code)
	if err := stream.Send(g.Refuse(refused)); err != nil {
		return errors.Join(refused, err)
	}
	if _, err := stream.Receive(greeting.MaxMessage, readPatience); err == nil {
		return errors.Join(refused, errors.New("it went on talking"))
	}
	return refused
}

// readPatience is how long a till that was refused may take to read why and close.
const readPatience = 2 * time.Second

// serve lets the engine speak.
func (h *Handler) serve(stream *socket.Stream, admission Admission, caller Caller) {
	defer admission.left()
	stream.Keep()
	h.count.live.Add(1)
	h.count.welcomed.Add(1)
	conn := engine.Conn{ReadWriteCloser: stream, Peer: caller.Till, Compress: stream.Pays, ReadSize: socket.ReadSize}
	err := admission.Serve(h.ctx, conn)
	h.count.ended(err, stream)
	h.cfg.Log.Debug("an uplink ended", "shop", caller.Shop, "till", caller.Till.Short(), "error", err)
	if err := stream.Close(); err != nil {
		h.cfg.Log.Debug("an uplink was not closed well", "error", err)
	}
}
