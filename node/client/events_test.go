package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func stream(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprint(w, text)
	_ = http.NewResponseController(w).Flush()
}

func TestEventsAreReadAndResumed(t *testing.T) {
	var streams atomic.Int32
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		last := r.Header.Get("Last-Event-ID")
		switch streams.Add(1) {
		case 1: // ends in the middle of an event, which does not count
			if last != "7" || r.URL.Path != "/api/v1/events" || r.Header.Get("Authorization") != "Bearer "+token {
				t.Error("first stream", last, r.URL, r.Header)
			}
			stream(w, ": hello\n\nid: 8\nevent: tab\ndata: {\"tab\":\ndata: \"t1\"}\n\nid: 9\nevent: receipt\ndata: {")
		case 2: // a till that is just starting
			answer(t, w, http.StatusServiceUnavailable, `{"status":503,"code":"starting"}`)
		default:
			if last != "8" {
				t.Error("third stream after", last)
			}
			stream(w, "event: reset\r\ndata:{}\r\n\r\nid: 10\nevent: article\ndata: {}\n\n")
			<-r.Context().Done()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var got []client.Event
	opened := 0
	err := c.Follow(ctx, "7", func() { opened++ }, func(e client.Event) error {
		if got = append(got, e); len(got) == 3 {
			cancel()
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 2, opened)
	require.Len(t, got, 3)
	require.Equal(t, client.Event{ID: "8", Kind: "tab", Data: []byte("{\"tab\":\n\"t1\"}")}, got[0])
	require.Equal(t, client.EventReset, got[1].Kind)
	require.Equal(t, "10", got[2].ID)
}

func TestAHandlerEndsTheStream(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, "id: 1\nevent: status\ndata: {}\n\n")
		<-r.Context().Done()
	})
	enough := errors.New("enough")
	require.ErrorIs(t, c.Follow(t.Context(), "", nil, func(client.Event) error { return enough }), enough)
}

func TestARefusedStreamIsNotTriedAgain(t *testing.T) {
	var calls atomic.Int32
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		answer(t, w, http.StatusUnauthorized, `{"status":401,"code":"unauthorized","detail":"the token is wrong"}`)
	})
	err := c.Follow(t.Context(), "", nil, func(client.Event) error { return nil })
	require.EqualError(t, err, "the token is wrong")
	require.EqualValues(t, 1, calls.Load())
}
