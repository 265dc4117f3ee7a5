package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/node"
)

// Badger and glog keep one goroutine each for the life of the process.
func TestMain(m *testing.M) {
	state, err := os.MkdirTemp("", "tillmesh-state-")
	if err == nil {
		err = os.Setenv("TILLMESH_STATE", state)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m,
		goleak.Cleanup(func(code int) {
			if err := os.RemoveAll(state); err != nil {
				panic(err)
			}
			os.Exit(code)
		}),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2/z.init.0.func1"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// bench is a till with its API.
type bench struct {
	t    testing.TB
	till *node.Machine
	h    http.Handler
	logs *logged
	stop func()
}

// logged keeps what was logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newBench(t testing.TB) *bench {
	t.Helper()
	data := filepath.Join(t.TempDir(), "till")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café Sonnenschein", Name: "Theke"})
	require.NoError(t, err)
	return open(t, data)
}

func open(t testing.TB, data string) *bench {
	t.Helper()
	logs := &logged{}
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- till.Run(ctx) }()
	h, err := New(till.Till, Options{Version: "test", Hosts: []string{"Kasse.example"},
		Log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	b := &bench{t: t, till: till, h: h, logs: logs}
	b.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(b.stop)
	return b
}

// request makes a request with everything a good one has.
func (b *bench) request(method, path, body string, headers ...string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, "http://127.0.0.1:8480"+path, r)
	req.Header.Set("Authorization", "Bearer "+b.till.Token())
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return req
}

func (b *bench) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, b.request(method, path, body, headers...))
	return w
}

// object is a decoded answer.
type object map[string]any

// ok does a request that must succeed with the status.
func (b *bench) ok(status int, method, path, body string, headers ...string) object {
	b.t.Helper()
	w := b.do(method, path, body, headers...)
	require.Equal(b.t, status, w.Code, w.Body.String())
	if w.Body.Len() == 0 {
		return nil
	}
	var o object
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &o), w.Body.String())
	return o
}

// refused does a request that must be refused with the status and code.
func (b *bench) refused(status int, code, method, path, body string, headers ...string) object {
	b.t.Helper()
	w := b.do(method, path, body, headers...)
	return refusal(b.t, w, status, code)
}

func refusal(t testing.TB, w *httptest.ResponseRecorder, status int, code string) object {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, httpapi.ProblemType, w.Header().Get("Content-Type"), w.Body.String())
	var o object
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &o), w.Body.String())
	require.Equal(t, code, o["code"], w.Body.String())
	require.EqualValues(t, status, o["status"])
	require.Equal(t, "urn:tillmesh:problem:"+code, o["type"])
	require.NotEmpty(t, o["title"])
	require.NotEmpty(t, o["detail"])
	return o
}

func (o object) in(names ...string) object {
	for _, n := range names {
		m, _ := o[n].(map[string]any)
		o = m
	}
	return o
}

func (o object) list(name string) (out []object) {
	l, _ := o[name].([]any)
	for _, x := range l {
		m, _ := x.(map[string]any)
		out = append(out, m)
	}
	return out
}

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

const (
	taxID     = "mxw3ydbzzkxdm5sjlbhrtzhxmu"
	articleID = "aaaqeayeaudaocajbifqydiob4"
)

// stock makes a tax of 19 % and an article of 3.40.
func (b *bench) stock() {
	b.t.Helper()
	b.ok(200, "PUT", "/api/v1/taxes/"+taxID, `{"names":{"de":"MwSt. normal"},"rates":[{"from":"2020-01-01","rate":1900,"key":1}]}`)
	b.ok(200, "PUT", "/api/v1/articles/"+articleID, `{"names":{"de":"Espresso"},"plu":"12","barcodes":["4001234567890"],
		"prices":[{"from":"2020-01-01","price":340,"tax":"`+taxID+`"}]}`)
}

func (b *bench) openTab() string {
	b.t.Helper()
	return b.ok(201, "POST", "/api/v1/tabs", `{"name":"Tisch 4","user":"Anna"}`).text("id")
}
