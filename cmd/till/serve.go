package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	// shutdownTime is how long requests under way may take at the end.
	shutdownTime = 3 * time.Second
	// maxHeader bounds the header of a request in bytes.
	maxHeader = 16 << 10
	// streamPath is the one answer that has no end of its own.
	streamPath = "/api/v1/events"
)

// listenHTTP takes the port of the HTTP interface.
func listenHTTP(ctx context.Context, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usage(fmt.Errorf("--http %q is no address", addr), "write it as 127.0.0.1:8480")
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &advice{fmt.Errorf("the port of %s is in use by another program", addr),
			"another till may be running: \"till status\" shows it; else choose another port with --http"}
	case err != nil:
		return nil, &advice{fmt.Errorf("serve HTTP on %s: %w", addr, err), "check the address after --http"}
	}
	return l, nil
}

// rootURL is where a person on this machine reaches a listener.
func rootURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// advice is an error that says what to do next.
type advice struct {
	error
	hint string
}

func (a *advice) Hint() string  { return a.hint }
func (a *advice) Unwrap() error { return a.error }

// serve answers requests on l until ctx is done; then streams end at once and other requests have a moment to finish.
// It closes l.
func serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	// Requests outlive ctx: an answer under way shall still be given.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// No timeout for a whole request: it would end streams. The handler bounds bodies and answers itself.
	server := &http.Server{
		Handler:           endStreams(ctx, handler),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer done()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // whoever is not through by now gets no answer
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop serving HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// endStreams ends event streams with ctx: they would keep a server that stops waiting.
func endStreams(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == streamPath {
			streaming, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(streaming)
		}
		next.ServeHTTP(w, r)
	})
}
