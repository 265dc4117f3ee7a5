package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tap is one stream of events over a real connection.
type tap struct {
	t     *testing.T
	lines *bufio.Scanner
	end   context.CancelFunc
	body  interface{ Close() error }
}

// sent is one event of a stream; a comment has no kind.
type sent struct {
	id, kind string
	data     event
}

func follow(t *testing.T, url, token, query, last string) *tap {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/api/v1/events"+query, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	s := &tap{t: t, lines: bufio.NewScanner(resp.Body), end: cancel, body: resp.Body}
	t.Cleanup(s.close)
	require.Empty(t, s.next().kind, "it begins with a comment, so that the client sees it open")
	return s
}

func (s *tap) close() {
	s.end()
	_ = s.body.Close()
}

// next waits for the next event or comment.
func (s *tap) next() (e sent) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return e
		case name == "id":
			e.id = value
		case name == "event":
			e.kind = value
		case name == "data":
			require.NoError(s.t, json.Unmarshal([]byte(value), &e.data))
		}
	}
	require.NoError(s.t, s.lines.Err())
	s.t.Fatal("the stream ended")
	return e
}

// event waits for the next event.
func (s *tap) event() sent {
	s.t.Helper()
	for {
		if e := s.next(); e.kind != "" && e.kind != "presence" {
			return e
		}
	}
}

func serve(t *testing.T, b *bench) string {
	t.Helper()
	srv := httptest.NewServer(b.h)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return srv.URL
}

func TestEventsFollowWhatHappens(t *testing.T) {
	b := newBench(t)
	b.stock()
	url := serve(t, b)
	s := follow(t, url, b.till.Token(), "", "")
	tab := b.openTab()
	e := s.event()
	require.Equal(t, "tab", e.kind)
	require.Equal(t, tab, e.data.Tab)
	require.Equal(t, "opened", e.data.Change)
	require.Equal(t, e.id, e.data.ID)
	require.NotEmpty(t, e.data.At)
	opened := e.id

	line := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`).in("line").text("id")
	e = s.event()
	require.Equal(t, "line", e.data.Change)
	require.Equal(t, line, e.data.Line)
	require.Len(t, e.data.Till, 52)
	b.ok(200, "PUT", "/api/v1/articles/"+articleID, `{"sort":1}`)
	e = s.event()
	require.Equal(t, "article", e.kind)
	require.Equal(t, articleID, e.data.Article)
	receipt := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"Bar","amount":340}]}`)
	for e = s.event(); e.kind != "receipt"; e = s.event() {
		require.Equal(t, "tab", e.kind)
	}
	require.Equal(t, receipt.text("id"), e.data.Receipt)
	require.Equal(t, receipt.text("number"), e.data.Number)

	// A stream resumes after an event, by header or parameter; the header is stronger.
	for _, again := range []*tap{
		follow(t, url, b.till.Token(), "?after="+opened, ""), follow(t, url, b.till.Token(), "", opened),
		follow(t, url, b.till.Token(), "?after=1", opened),
	} {
		e := again.event()
		require.Equal(t, "line", e.data.Change)
		require.Equal(t, line, e.data.Line)
	}
}

func TestAGapIsSaid(t *testing.T) {
	b := newBench(t)
	url := serve(t, b)
	for _, last := range []string{"1", "18446744073709551615", "never"} {
		s := follow(t, url, b.till.Token(), "", last)
		e := s.event()
		require.Equal(t, eventReset, e.kind, last)
		id := b.openTab()
		e = s.event()
		require.Equal(t, id, e.data.Tab, "and then it goes on")
		s.close()
	}
	b.refused(422, "invalid", "GET", "/api/v1/events?after=x", "")
}

func TestAStreamShowsThatItLives(t *testing.T) {
	b := newBench(t)
	s := follow(t, serve(t, b), b.till.Token(), "", "")
	began := time.Now()
	require.Empty(t, s.next().kind)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestAStreamEndsWithTheTill(t *testing.T) {
	b := newBench(t)
	s := follow(t, serve(t, b), b.till.Token(), "", "")
	b.stop()
	for s.lines.Scan() {
	}
	require.NoError(t, s.lines.Err(), "it ends as it should")
}

func TestStreamsAreBounded(t *testing.T) {
	b := newBench(t)
	url := serve(t, b)
	var first *tap
	for range maxStreams {
		s := follow(t, url, b.till.Token(), "", "")
		if first == nil {
			first = s
		}
	}
	b.refused(503, "busy", "GET", "/api/v1/events", "")
	b.ok(200, "GET", "/api/v1/status", "")
	first.close()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a stream that is let in ends at once
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, b.request("GET", "/api/v1/events", "").WithContext(ctx))
		return w.Code == 200
	}, 10*time.Second, 10*time.Millisecond)
}
