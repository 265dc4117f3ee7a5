package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

const (
	maxKey = 200 // characters of an idempotency key
	// maxKept bounds one kept answer in bytes.
	maxKept = 256 << 10
	// again is how often a request looks whether another one with its key has ended.
	again = 50 * time.Millisecond
)

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

// once serves a request with an idempotency key: from the answer that was kept, or by doing it and keeping the answer.
// Requests with one key wait for each other, whatever server they come to.
func (s *Server) once(w http.ResponseWriter, r *http.Request, key string, body []byte) *problem {
	ctx := r.Context()
	request := httpapi.Digest([]byte(r.Method), []byte(r.URL.EscapedPath()), body)
	proof := askingOf(ctx).proof
	if proof == "" { // by a coupling code: whoever has it sends the same body
		proof = string(request[:])
	}
	id := newReplyID(proof, key, request)
	for {
		kept, mine, err := s.reserve(ctx, id)
		if err != nil {
			return s.problemOf(ctx, err)
		}
		if mine {
			break
		}
		if kept.status != 0 {
			w.Header().Set("Idempotency-Replayed", "true")
			send(w, kept)
			return nil
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return s.problemOf(ctx, fmt.Errorf("wait for the request with the same Idempotency-Key: %w", ctx.Err()))
		}
	}
	out := &captured{header: w.Header()}
	defer func() {
		if out.status == 0 { // it broke: nobody waits for an answer that never comes
			s.forget(ctx, id)
		}
	}()
	s.mux.ServeHTTP(out, r)
	rep := reply{max(out.status, http.StatusOK), out.body.Bytes()}
	out.status = rep.status
	// Kept first: whatever happens to the server once the client has its answer, a repetition gets the same one.
	if rep.status < http.StatusInternalServerError && rep.status != httpapi.StatusGone && rep.status != http.StatusTooManyRequests && len(rep.body) <= maxKept {
		s.keep(ctx, id, rep)
	} else {
		s.forget(ctx, id)
	}
	send(w, rep)
	return nil
}

// reply is an answer to keep.
type reply struct {
	status int
	body   []byte
}

// send sends an answer that is there whole.
func send(w http.ResponseWriter, rep reply) {
	kind := "application/json"
	if rep.status >= http.StatusBadRequest {
		kind = httpapi.ProblemType
	}
	if len(rep.body) > 0 {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(rep.body)))
	}
	w.WriteHeader(rep.status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(rep.body)
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

// keep keeps an answer. A failure does not take back what was done, so the client still gets its answer.
func (s *Server) keep(ctx context.Context, id replyID, rep reply) {
	if err := s.store(ctx, id, rep); err != nil {
		s.log.WarnContext(ctx, "the answer to a request with an idempotency key is not kept", "error", err)
	}
}

// forget lets a request be made again at once.
func (s *Server) forget(ctx context.Context, id replyID) {
	if err := s.drop(ctx, id); err != nil {
		s.log.WarnContext(ctx, "a request with an idempotency key can be repeated only after a minute", "error", err)
	}
}
