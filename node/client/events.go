package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// silence is how long a stream may say nothing before it counts as dead; a till sends a heartbeat every 2 s.
	silence = 7 * time.Second
	// maxEvent bounds one line of a stream in bytes.
	maxEvent = 1 << 20
	// reconnectFirst and reconnectMost bound the wait before a stream is opened again.
	reconnectFirst = 50 * time.Millisecond
	reconnectMost  = 2 * time.Second
)

// EventReset is the kind of the event that says: something may have been missed, read everything again.
const EventReset = "reset"

// Event is something that happened at a till.
type Event struct {
	// ID resumes the stream after this event.
	ID string
	// Kind is article, group, tax, settings, tab, receipt, mesh, status or [EventReset]. Later tills know more.
	Kind string
	// Data says what happened, as JSON.
	Data json.RawMessage
}

// errStream means that a stream ended; it is opened again.
var errStream = errors.New("the stream of events ended")

// Follow calls handle for every event, one call at a time, until ctx is done (it then returns nil), handle returns an
// error, or the till refuses. A stream that breaks is opened again for ever and resumed after the last event; what
// cannot be resumed begins with [EventReset]. after is the ID to begin after, empty means now. opened is called
// whenever a stream was opened; it may be nil.
func (c *Client) Follow(ctx context.Context, after string, opened func(), handle func(Event) error) error {
	wait := reconnectFirst
	for {
		err := c.follow(ctx, &after, func() {
			wait = reconnectFirst
			if opened != nil {
				opened()
			}
		}, handle)
		switch _, lost := errors.AsType[*Unreachable](err); {
		case ctx.Err() != nil:
			return nil
		case !lost && !errors.Is(err, errStream):
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			wait = min(2*wait, reconnectMost)
		}
	}
}

// follow reads one stream to its end.
func (c *Client) follow(ctx context.Context, last *string, opened func(), handle func(Event) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Also bounds the wait for the answer itself.
	quiet := time.AfterFunc(silence, func() { cancel(errStream) })
	defer quiet.Stop()
	resp, err := c.send(ctx, http.MethodGet, "/api/v1/events", nil, nil, func(h http.Header) {
		h.Set("Accept", "text/event-stream, application/problem+json")
		if *last != "" {
			h.Set("Last-Event-ID", *last)
		}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		if err != nil {
			return fmt.Errorf("%w: %w", errStream, err)
		}
		if resp.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("%w: %w", errStream, problemOf(resp, b))
		}
		return problemOf(resp, b)
	}
	opened()
	return readEvents(resp.Body, func() { quiet.Reset(silence) }, func(e Event) error {
		if err := handle(e); err != nil {
			return err
		}
		if e.ID != "" {
			*last = e.ID
		}
		return nil
	})
}

// readEvents parses a stream (WHATWG HTML, server-sent events) until it ends. alive is called for every line.
func readEvents(r io.Reader, alive func(), handle func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxEvent)
	var e Event
	var data []string
	for lines.Scan() {
		alive()
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			if len(data) > 0 || e.Kind != "" {
				e.Data = json.RawMessage(strings.Join(data, "\n"))
				if err := handle(e); err != nil {
					return err
				}
			}
			e, data = Event{}, nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Kind = value
		case "data":
			data = append(data, value)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", errStream, err)
	}
	return errStream
}
