package server

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

// patience is for machines that are busy with other things.
const patience = time.Minute

// reporting is a server with a coupled shop; path is that of its report.
func reporting(t *testing.T) (b *bench, token, path string) {
	b = small(t)
	token = b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	return b, token, "/api/v1/shops/" + m.shop.String() + "/completeness"
}

// linesOf are the lines of an answer, each with one member.
func linesOf(t *testing.T, text string) (out []object) {
	t.Helper()
	for line := range strings.Lines(text) {
		var o object
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		require.Len(t, o, 1, line)
		out = append(out, o)
	}
	require.NotEmpty(t, out)
	return out
}

func TestTheReportIsTheLastLine(t *testing.T) {
	b, token, path := reporting(t)
	whole := b.do("GET", path, token, "")
	require.Equal(t, 200, whole.Code)
	require.Equal(t, "application/json", whole.Header().Get("Content-Type"))
	streamed := b.do("GET", path+"?progress=true", token, "")
	require.Equal(t, 200, streamed.Code)
	require.Equal(t, "application/x-ndjson", streamed.Header().Get("Content-Type"))
	lines := linesOf(t, streamed.Body.String())
	report, err := json.Marshal(lines[len(lines)-1].in("report"))
	require.NoError(t, err)
	require.JSONEq(t, whole.Body.String(), string(report))
	for _, l := range lines[:len(lines)-1] {
		require.Contains(t, l, "progress")
	}
	b.refused(422, "invalid", "GET", path+"?progress=true&from=2026-02-30", token, "")
	b.refused(422, "invalid", "GET", path+"?progress=x", token, "")
}

func TestAReportThatFails(t *testing.T) {
	b, token, path := reporting(t)
	b.fake.fails = ErrBusy
	want := b.do("GET", path, token, "")
	require.Equal(t, 503, want.Code)
	lines := linesOf(t, b.do("GET", path+"?progress=true", token, "").Body.String())
	problem, err := json.Marshal(lines[len(lines)-1].in("problem"))
	require.NoError(t, err)
	require.JSONEq(t, want.Body.String(), string(problem), "the same problem as without progress")

	b.fake.fails, b.fake.panics = nil, true
	b.refused(500, "internal", "GET", path, token, "")
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { b.do("GET", path+"?progress=true", token, "") }, "the client sees that it is not whole; the server goes on")
	require.Contains(t, b.logs.String(), "the fake breaks")
}

func TestAClientSeesHowFarAReportIs(t *testing.T) {
	b, token, path := reporting(t)
	seen := make(chan struct{})
	b.fake.report = func(ctx context.Context, progress func(ReportProgress)) (json.RawMessage, error) {
		progress(ReportProgress{Documents: 512, Of: 1000, Series: "K2", Number: 511, Wrong: 1})
		select {
		case <-seen:
			return json.RawMessage(`{"ok":true}`), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	next := ask(t, b, token, path)
	for {
		l := next()
		if p := l.in("progress"); p["documents"] != 0. {
			require.Equal(t, object{"documents": 512., "of": 1000., "series": "K2", "number": 511., "wrong": 1.}, p)
			break
		}
	}
	close(seen)
	l := next()
	for ; l["progress"] != nil; l = next() { // one more may be on its way
	}
	require.Equal(t, object{"ok": true}, l.in("report"))
}

func TestHangingUpEndsTheWork(t *testing.T) {
	for _, query := range []string{"", "?progress=true"} {
		b, token, path := reporting(t)
		begun, ended := make(chan struct{}), make(chan struct{})
		b.fake.report = func(ctx context.Context, _ func(ReportProgress)) (json.RawMessage, error) {
			close(begun)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
		ctx, hangUp := context.WithCancel(t.Context())
		srv := httptest.NewServer(b)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			resp, err := http.DefaultClient.Do(getRequest(ctx, srv.URL+path+query, token))
			if err == nil {
				<-ctx.Done()
				_ = resp.Body.Close()
			}
		}()
		waitFor(t, begun, "the report begins")
		hangUp()
		waitFor(t, ended, "the work ends")
		<-gone
		srv.Close() // waits for the handler
		require.Empty(t, b.long, "its slot is free")
	}
}

func waitFor(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.FailNow(t, "not within a minute: "+what)
	}
}

func getRequest(ctx context.Context, url, token string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	r.Host = "cloud.example"
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// ask asks for a report over a connection and returns what gives its lines.
func ask(t *testing.T, b *bench, token, path string) func() object {
	t.Helper()
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	resp, err := http.DefaultClient.Do(getRequest(ctx, srv.URL+path+"?progress=true", token))
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	lines := bufio.NewReader(resp.Body)
	return func() object {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return linesOf(t, line)[0]
	}
}
