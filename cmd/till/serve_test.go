package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wait bounds what a test waits for.
const wait = 10 * time.Second

func TestServeEndsStreamsAndLetsRequestsFinish(t *testing.T) {
	l, err := listenHTTP(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	begun, finish := make(chan struct{}), make(chan struct{})
	handler := http.NewServeMux()
	handler.HandleFunc(streamPath, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	handler.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "done")
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, handler) }()

	web := http.Client{Transport: &http.Transport{}, Timeout: wait}
	defer web.CloseIdleConnections()
	stream, err := web.Get("http://" + l.Addr().String() + streamPath)
	require.NoError(t, err)
	slow := make(chan string, 1)
	go func() {
		resp, err := web.Get("http://" + l.Addr().String() + "/slow")
		if err != nil {
			slow <- err.Error()
			return
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			b = []byte(err.Error())
		}
		_ = resp.Body.Close()
		slow <- string(b)
	}()
	<-begun

	stop()
	_, err = io.ReadAll(stream.Body)
	require.NoError(t, err, "the stream ends")
	require.NoError(t, stream.Body.Close())
	close(finish)
	require.Equal(t, "done", <-slow, "a request under way gets its answer")
	require.NoError(t, <-ended)
	_, err = net.DialTimeout("tcp", l.Addr().String(), wait)
	require.Error(t, err, "nobody listens any more")
}

func TestListenHTTP(t *testing.T) {
	l, err := listenHTTP(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = listenHTTP(t.Context(), l.Addr().String())
	var a *advice
	require.ErrorAs(t, err, &a)
	require.ErrorContains(t, err, "in use")
	require.Contains(t, a.Hint(), "--http")
	require.Equal(t, "http://"+l.Addr().String(), rootURL(l.Addr()))
	require.Equal(t, "http://127.0.0.1:8480", rootURL(&net.TCPAddr{IP: net.IPv6unspecified, Port: 8480}))
	_, err = listenHTTP(t.Context(), "nowhere")
	var u *usageError
	require.ErrorAs(t, err, &u)
}
