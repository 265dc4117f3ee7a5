package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

const (
	// patience is how long a step may wait for one thing to become true.
	patience = time.Minute
	// glance is the pause between two looks when no event comes; with events there is no pause.
	glance = 20 * time.Millisecond
	// tailLines and tailBytes bound what is shown of a log.
	tailLines = 12
	tailBytes = 8 << 10
)

// till is one till of the demo.
type till struct {
	index  int // of its host in the relays, from 0
	name   string
	data   string // its directory
	log    string // the file with what it printed
	http   netip.AddrPort
	host   host
	api    *client.Client
	id     string   // till ID
	prefix string   // of its receipt numbers
	proc   *process // nil before the first start
	bell   *bell    // rings at every event of this till
}

// url returns the root of its HTTP interface.
func (t *till) url() string { return "http://" + t.http.String() }

// running reports whether its process has not ended.
func (t *till) running() bool {
	if t.proc == nil {
		return false
	}
	select {
	case <-t.proc.done:
		return false
	default:
		return true
	}
}

// tillError is what went wrong at one till.
type tillError struct {
	till *till
	err  error
}

func (e *tillError) Error() string { return e.till.name + ": " + e.err.Error() }
func (e *tillError) Unwrap() error { return e.err }

// at names the till in an error.
func (t *till) at(err error) error {
	if err == nil {
		return nil
	}
	return &tillError{t, err}
}

// await asks until holds says so: at every event of the till, and now and then. An error of holds means not yet; the
// last one is told when patience is over.
func (t *till) await(ctx context.Context, what string, holds func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	pause := time.NewTicker(glance)
	defer pause.Stop()
	var last error // of a look that was not cut short
	for {
		rung := t.bell.next()
		ok, err := holds(ctx)
		if ok && err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("while %s waited until %s: %w", t.name, what, err)
		}
		select {
		case <-rung:
		case <-pause.C:
		case <-t.proc.done:
			return t.at(fmt.Errorf("it ended by itself while the demo waited until %s: %w", what, errors.Join(t.proc.err, last)))
		case <-ctx.Done():
			return t.at(errors.Join(fmt.Errorf("%w until %s", context.Cause(ctx), what), last))
		}
	}
}

var errPatience = fmt.Errorf("waited in vain for %v", patience)

// watch rings the bell at every event until ctx is done.
func (t *till) watch(ctx context.Context) error {
	ring := func(client.Event) error { t.bell.ring(); return nil }
	if err := t.api.Follow(ctx, "", t.bell.ring, ring); err != nil {
		return t.at(fmt.Errorf("follow its events: %w", err))
	}
	return nil
}

// tail returns the last lines of its log.
func (t *till) tail() ([]string, error) { return tailOf(t.log) }

// tailOf returns the last lines of a log.
func tailOf(log string) (lines []string, err error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-tailBytes)
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	lines = strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return lines[max(0, len(lines)-tailLines):], nil
}

// bell wakes everybody who waits for it.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

// next returns a channel that is closed at the next ring.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}
