package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

const (
	maxKey = 200 // characters of an idempotency key
	// maxKept bounds one kept answer in bytes, as it is stored.
	maxKept = 256 << 10
	// maxAnswer bounds a kept answer when it is unpacked again.
	maxAnswer = 16 << 20
	// packFrom is from where on an answer is packed before it is kept: a receipt holds its document twice.
	packFrom = 4 << 10
)

// replays gives a repeated request the answer of the first one. The till keeps the answers.
type replays struct {
	till *node.Till
	log  *slog.Logger

	// packers are of *gzip.Writer: a new one is a megabyte of garbage for every sale.
	packers sync.Pool

	mu      sync.Mutex
	running map[string]*turn // by key
}

// turn is a place where requests with the same key wait for each other.
type turn struct {
	taken chan struct{} // holds one value while a request runs
	users int
}

func newReplays(t *node.Till, log *slog.Logger) *replays {
	return &replays{till: t, log: log, running: make(map[string]*turn)}
}

// keyOf returns the idempotency key of a request, if it has one.
func keyOf(r *http.Request) (key string, given bool, p *problem) {
	values, given := r.Header["Idempotency-Key"]
	if !given {
		return "", false, nil
	}
	key = values[0]
	bad := len(values) > 1 || key == "" || len(key) > maxKey
	for i := 0; i < len(key) && !bad; i++ {
		bad = key[i] < ' ' || key[i] > '~'
	}
	if bad {
		return "", false, newProblem(http.StatusUnprocessableEntity, httpapi.CodeKey, "a new random text for every new request is best",
			"an Idempotency-Key has 1 to %d printable ASCII characters", maxKey)
	}
	return key, true, nil
}

// enter waits until no other request with the key runs; leave must be called afterwards.
func (k *replays) enter(ctx context.Context, key string) (leave func(), err error) {
	k.mu.Lock()
	t := k.running[key]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		k.running[key] = t
	}
	t.users++
	k.mu.Unlock()
	gone := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(k.running, key)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, fmt.Errorf("wait for the request with the same Idempotency-Key: %w", ctx.Err())
	}
}

// once serves a request with an idempotency key: from the answer that was kept, or by doing it and keeping the answer.
func (s *server) once(w http.ResponseWriter, r *http.Request, key string, body []byte) *problem {
	ctx := r.Context()
	leave, err := s.kept.enter(ctx, key)
	if err != nil {
		return s.problemOf(ctx, err)
	}
	defer leave()
	request := httpapi.Digest([]byte(r.Method), []byte(r.URL.EscapedPath()), body)
	reply, found, err := s.till.Replay(ctx, key, request)
	if err == nil && found {
		reply.Body, err = unpack(reply.Body)
	}
	if err != nil {
		return s.problemOf(ctx, err)
	}
	if found {
		w.Header().Set("Idempotency-Replayed", "true")
		send(w, reply)
		return nil
	}
	out := &captured{header: w.Header()}
	_, till, _ := s.till.Self()
	acting := withSeed(node.ForRequest(ctx, key, request), seedOf(till, key, request, s.till.Now()))
	s.mux.ServeHTTP(out, r.WithContext(acting))
	reply = node.Reply{Status: max(out.status, http.StatusOK), Body: out.body.Bytes()}
	// Kept first: whatever happens to the till once the client has its answer, a repetition gets the same one.
	if reply.Status < http.StatusInternalServerError && reply.Status != httpapi.StatusGone {
		s.keep(ctx, key, request, reply)
	}
	send(w, reply)
	return nil
}

// keep keeps an answer. A failure does not take back what was done, so the client still gets its answer.
func (s *server) keep(ctx context.Context, key string, request [32]byte, reply node.Reply) {
	packed, err := s.kept.pack(reply.Body)
	switch {
	case err != nil:
	case len(packed) > maxKept:
		err = fmt.Errorf("it has %d bytes, at most %d are kept", len(packed), maxKept)
	default:
		reply.Body = packed
		err = s.till.Keep(ctx, key, request, reply)
	}
	if err != nil {
		s.log.WarnContext(ctx, "the answer to a request with an idempotency key is not kept", "error", err)
	}
}

// send sends an answer that is there whole.
func send(w http.ResponseWriter, reply node.Reply) {
	kind := "application/json"
	if reply.Status >= http.StatusBadRequest {
		kind = httpapi.ProblemType
	}
	if len(reply.Body) > 0 {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	w.WriteHeader(reply.Status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(reply.Body)
}

// pack makes long answers shorter. JSON never begins like gzip, so unpack needs no mark.
func (k *replays) pack(body []byte) ([]byte, error) {
	if len(body) < packFrom {
		return body, nil
	}
	var out bytes.Buffer
	z, ok := k.packers.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(nil)
	}
	defer k.packers.Put(z)
	z.Reset(&out)
	if _, err := z.Write(body); err != nil {
		return nil, fmt.Errorf("pack an answer: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack an answer: %w", err)
	}
	return out.Bytes(), nil
}

func unpack(b []byte) ([]byte, error) {
	if len(b) < 2 || b[0] != 0x1f || b[1] != 0x8b {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("kept answer: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(z, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("kept answer: %w", err)
	}
	return body, nil
}

// captured is an answer in memory.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader notes the status.
func (c *captured) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

// Write appends to the body.
func (c *captured) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}

// seedKey finds the seed of a request in its context.
type seedKey struct{}

// seedOf makes the seed for the IDs of what a request with an idempotency key creates. If the program ends after a change
// and before its answer is kept, the repeated request makes the same IDs and so nothing twice. The till and the day keep
// apart what clients with simple keys mean to be different.
func seedOf(till crdt.TillID, key string, request [32]byte, now time.Time) [32]byte {
	h := sha256.New()
	h.Write(till[:])
	h.Write(request[:])
	var day [8]byte
	binary.BigEndian.PutUint64(day[:], uint64(now.Unix()/(24*60*60)))
	h.Write(day[:])
	h.Write([]byte(key))
	return [32]byte(h.Sum(nil))
}

func withSeed(ctx context.Context, seed [32]byte) context.Context {
	return context.WithValue(ctx, seedKey{}, seed)
}

// freshID returns the ID of the i-th thing of a kind that a request creates; zero, which lets the till choose, if the
// request has no idempotency key.
func freshID(ctx context.Context, kind string, i int) crdt.ObjectID {
	seed, ok := ctx.Value(seedKey{}).([32]byte)
	if !ok {
		return crdt.ObjectID{}
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(i))
	return crdt.DeriveObjectID("api "+kind, seed[:], n[:])
}
