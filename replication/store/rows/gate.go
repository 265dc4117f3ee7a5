package rows

import (
	"context"
	"sync"
)

// Gate is for adapters: it lets calls in as long as the store is open and has not failed, writes one after another, and
// keeps Close waiting for the calls that run. A call that ends with [ErrFailed] or [ErrFenced] shuts the gate for all
// later ones, which get the same error. The zero value is open.
type Gate struct {
	calls  sync.RWMutex // held for reading by every call, for writing by Close
	closed bool         // guarded by calls
	writer sync.Mutex   // held by the running write
	fail   struct {
		sync.Mutex
		err error // set once
	}
}

// Read runs a call beside others. It returns what the call does, or, without running it, the error of a context that is
// done, [ErrClosed] or what the store failed with.
func (g *Gate) Read(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.calls.RLock()
	defer g.calls.RUnlock()
	if g.closed {
		return ErrClosed
	}
	return g.run(call)
}

// Write is [Gate.Read] for a call that changes rows: it waits for the one before it, beside reading calls.
func (g *Gate) Write(ctx context.Context, call func() error) error {
	return g.Read(ctx, func() error {
		g.writer.Lock()
		defer g.writer.Unlock()
		return g.run(call) // asks again: the write before it may have failed
	})
}

func (g *Gate) run(call func() error) error {
	if err := g.failed(nil); err != nil {
		return err
	}
	err := call()
	if failure := Failure(err); failure != nil {
		_ = g.failed(failure)
	}
	return err
}

// failed remembers the first failure and returns it; nil asks only.
func (g *Gate) failed(failure error) error {
	g.fail.Lock()
	defer g.fail.Unlock()
	if g.fail.err == nil {
		g.fail.err = failure
	}
	return g.fail.err
}

// Close shuts the gate, waits for the calls that run and then runs end, which closes the engine. A second Close returns
// nil and runs nothing.
func (g *Gate) Close(end func() error) error {
	g.calls.Lock()
	defer g.calls.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	return end()
}
