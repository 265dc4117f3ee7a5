package main

import (
	"net/http"
	"sync"
	"time"
)

// openingTime is how long a request waits for the till that is being opened.
const openingTime = 20 * time.Second

// door is the HTTP interface of the program: it stays where it is while what is behind it changes, a till that is open,
// one that must not sell, or none yet. Requests wait at a door that nothing is behind yet.
type door struct {
	mu      sync.Mutex
	handler http.Handler
	shown   chan struct{} // closed when handler is set
}

func newDoor() *door { return &door{shown: make(chan struct{})} }

// show puts a handler behind the door.
func (d *door) show(h http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handler == nil {
		close(d.shown)
	}
	d.handler = h
}

// ServeHTTP lets a request through.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wait := time.NewTimer(openingTime)
	defer wait.Stop()
	select {
	case <-d.shown:
	case <-wait.C:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the till is still being opened", http.StatusServiceUnavailable)
		return
	case <-r.Context().Done():
		return
	}
	d.mu.Lock()
	h := d.handler
	d.mu.Unlock()
	h.ServeHTTP(w, r)
}
