package nodetest

import (
	"io"
	"log/slog"
	"sync"
	"testing"
)

// LogTo is the log of a program that a test runs within itself; at says which one. What is written after the test is dropped: timers
// of the group outlive a till.
func LogTo(t testing.TB, at string) *slog.Logger {
	out := &output{to: t.Output()}
	t.Cleanup(func() {
		out.mu.Lock()
		defer out.mu.Unlock()
		out.to = io.Discard
	})
	return slog.New(slog.NewTextHandler(out, nil)).With("at", at)
}

// output is where a log goes.
type output struct {
	mu sync.Mutex
	to io.Writer
}

// Write is a method of io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(b)
}
