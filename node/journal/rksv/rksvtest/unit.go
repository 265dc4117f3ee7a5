// Package rksvtest holds a signature unit for tests: one that is slow, fails and returns, as told.
package rksvtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// Unit passes calls on to another unit, as long as nothing else is asked of it. Its methods may be called from any
// goroutine.
type Unit struct {
	inner rksv.Unit

	mu    sync.Mutex
	cause error
	lost  int
	pause func(context.Context) error
	calls int
}

// Wrap returns a unit that works as inner does.
func Wrap(inner rksv.Unit) *Unit { return &Unit{inner: inner} }

// Fail makes signing fail, until [Unit.Return]. A cause of nil is a unit that is not available.
func (u *Unit) Fail(cause error) {
	if cause == nil {
		cause = fmt.Errorf("%w: no answer", rksv.ErrUnavailable)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cause = cause
}

// Lose makes the unit lose its next n answers.
func (u *Unit) Lose(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lost = n
}

// Return makes the unit work again, at once.
func (u *Unit) Return() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cause, u.pause, u.lost = nil, nil, 0
}

// Slow calls pause before each signature, until [Unit.Return]: it waits as long as the unit is to take, in real or
// virtual time, and returns the error of its context if that ends first.
func (u *Unit) Slow(pause func(context.Context) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pause = pause
}

// Hold makes every signature wait until release is called or its context ends.
func (u *Unit) Hold() (release func()) {
	gate := make(chan struct{})
	u.Slow(func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return sync.OnceFunc(func() { close(gate) })
}

// Calls returns how often a signature was asked for.
func (u *Unit) Calls() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls
}

// Certificate implements [rksv.Unit].
func (u *Unit) Certificate() string { return u.inner.Certificate() }

// Sign implements [rksv.Unit].
func (u *Unit) Sign(ctx context.Context, text []byte) ([]byte, error) {
	u.mu.Lock()
	u.calls++
	pause := u.pause
	u.mu.Unlock()
	if pause != nil {
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", rksv.ErrUnavailable, err)
		}
	}
	u.mu.Lock()
	cause, lose := u.cause, u.lost > 0
	if cause == nil && lose {
		u.lost--
	}
	u.mu.Unlock()
	if cause != nil {
		return nil, cause
	}
	signature, err := u.inner.Sign(ctx, text)
	if err == nil && lose {
		return nil, fmt.Errorf("%w: the answer was lost", rksv.ErrUnavailable)
	}
	return signature, err
}
