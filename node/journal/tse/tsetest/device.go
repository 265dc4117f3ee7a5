// Package tsetest holds a security device for tests: one that is slow, fails, returns and loses its answers, as told.
package tsetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/node/journal/tse"
)

// Call names the calls of a device; several are joined by |.
type Call uint8

// Calls of a device.
const (
	Start Call = 1 << iota
	Finish
	Info
	All = Start | Finish | Info
)

// Device passes calls on to another device, as long as nothing else is asked of it. Its methods may be called from any
// goroutine.
type Device struct {
	inner tse.Device

	mu     sync.Mutex
	failed Call
	cause  error
	lost   Call
	losses int
	pause  func(context.Context, Call) error
	calls  map[Call]int
}

// Wrap returns a device that works as inner does.
func Wrap(inner tse.Device) *Device { return &Device{inner: inner, calls: make(map[Call]int)} }

// Fail makes these calls fail, until [Device.Return]. Nothing of them reaches the device. A cause of nil is a device
// that is not available.
func (d *Device) Fail(calls Call, cause error) {
	if cause == nil {
		cause = fmt.Errorf("%w: no answer", tse.ErrUnavailable)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.cause = calls, cause
}

// Return makes the device work again, at once, and lose no more answers.
func (d *Device) Return() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.losses, d.pause = 0, 0, nil
}

// Lose makes the device do the next n of these calls and lose its answers.
func (d *Device) Lose(calls Call, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost, d.losses = calls, n
}

// Slow calls pause before each call goes on, until [Device.Return]: it waits as long as the device is to take, in real
// or virtual time, and returns the error of its context if that ends first.
func (d *Device) Slow(pause func(context.Context, Call) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pause = pause
}

// Hold makes every call wait until release is called or its context ends.
func (d *Device) Hold() (release func()) {
	gate := make(chan struct{})
	d.Slow(func(ctx context.Context, _ Call) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return sync.OnceFunc(func() { close(gate) })
}

// Calls returns how often this call was made, whatever became of it.
func (d *Device) Calls(call Call) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[call]
}

// Start implements [tse.Device].
func (d *Device) Start(ctx context.Context, client string) (tse.Started, error) {
	return through(ctx, d, Start, func() (tse.Started, error) { return d.inner.Start(ctx, client) })
}

// Finish implements [tse.Device].
func (d *Device) Finish(ctx context.Context, client string, transaction uint64, p tse.Process) (tse.Finished, error) {
	return through(ctx, d, Finish, func() (tse.Finished, error) { return d.inner.Finish(ctx, client, transaction, p) })
}

// Info implements [tse.Device].
func (d *Device) Info(ctx context.Context) (tse.Info, error) {
	return through(ctx, d, Info, func() (tse.Info, error) { return d.inner.Info(ctx) })
}

// through makes one call with whatever trouble was asked for.
func through[T any](ctx context.Context, d *Device, call Call, do func() (T, error)) (T, error) {
	var none T
	d.mu.Lock()
	d.calls[call]++
	pause := d.pause
	d.mu.Unlock()
	if pause != nil {
		if err := pause(ctx, call); err != nil {
			return none, fmt.Errorf("%w: %w", tse.ErrUnavailable, err)
		}
	}
	d.mu.Lock()
	if d.failed&call != 0 {
		defer d.mu.Unlock()
		return none, d.cause
	}
	lose := d.losses > 0 && d.lost&call != 0
	if lose {
		d.losses--
	}
	d.mu.Unlock()
	answer, err := do()
	if err == nil && lose {
		return none, fmt.Errorf("%w: the answer was lost", tse.ErrUnavailable)
	}
	return answer, err
}
