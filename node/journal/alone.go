package journal

import (
	"context"
	"fmt"
	"sync"
)

// Alone waits until every document that was begun is durable, and runs f while nobody else issues one. Documents that f
// issues, with the context it is given, are issued as ever. Whoever comes meanwhile waits until f has returned. It returns
// the error of f, or that ctx ended before.
func (s *Series) Alone(ctx context.Context, f func(ctx context.Context) error) error {
	if s.within(ctx) {
		return f(ctx)
	}
	if err := s.turns.take(ctx); err != nil {
		return fmt.Errorf("waiting until the receipts of %s are saved: %w", s.prefix, err)
	}
	defer s.turns.yield()
	return f(context.WithValue(ctx, aloneKey{}, s))
}

// aloneKey finds in a context the series that it has for itself.
type aloneKey struct{}

func (s *Series) within(ctx context.Context) bool { return ctx.Value(aloneKey{}) == s }

// turns lets many in together, or one alone. Who wants to be alone goes before those who come later.
type turns struct {
	mu      sync.Mutex
	inside  int
	wanting int // to be alone
	alone   bool
	moved   chan struct{} // closed when somebody left; nil: nobody waits for it
}

// enter waits until nobody is alone or wants to be.
func (t *turns) enter(ctx context.Context) error {
	return t.wait(ctx, func() bool {
		if t.alone || t.wanting > 0 {
			return false
		}
		t.inside++
		return true
	})
}

// take waits until nobody is inside.
func (t *turns) take(ctx context.Context) error {
	t.change(func() { t.wanting++ })
	err := t.wait(ctx, func() bool {
		if t.alone || t.inside > 0 {
			return false
		}
		t.alone = true
		return true
	})
	t.change(func() { t.wanting-- })
	return err
}

func (t *turns) leave() { t.change(func() { t.inside-- }) }

func (t *turns) yield() { t.change(func() { t.alone = false }) }

// change changes who is where, and wakes all who wait.
func (t *turns) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	if t.moved != nil {
		close(t.moved)
		t.moved = nil
	}
}

// wait tries until it works, each time somebody moved.
func (t *turns) wait(ctx context.Context, try func() bool) error {
	for {
		t.mu.Lock()
		if try() {
			t.mu.Unlock()
			return nil
		}
		if t.moved == nil {
			t.moved = make(chan struct{})
		}
		moved := t.moved
		t.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
