package simulated

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// Terminal asks a device in the same process.
type Terminal struct {
	Device *Device
	Now    func() time.Duration // never goes back
	// Wait returns after a time, false if ctx ended before.
	Wait func(ctx context.Context, d time.Duration) bool
}

// Name is a method of terminal.Terminal.
func (t *Terminal) Name() string { return t.Device.Name() }

// Mark is a method of terminal.Terminal. The device knows payments by their IDs, so there is nothing to mark.
func (t *Terminal) Mark(context.Context) (string, error) { return "", nil }

// Ask is a method of terminal.Terminal.
func (t *Terminal) Ask(ctx context.Context, r terminal.Request) (terminal.Outcome, error) {
	b, err := t.Device.Begin(t.Now(), r)
	if err != nil {
		return terminal.Outcome{}, fmt.Errorf("ask for payment %v: %w", r.Payment, err)
	}
	if b.Lost || b.Mute {
		// The connection breaks after a while, or whoever waits gives up.
		t.Wait(ctx, min(max(b.At-t.Now(), time.Second), giveUp))
		return terminal.Outcome{}, fmt.Errorf("payment %v: %w", r.Payment, terminal.ErrNoAnswer)
	}
	for {
		// Somebody may cancel it, so it is looked at now and then.
		o, err := t.Device.Look(t.Now(), r.Payment)
		if err != nil {
			return o, fmt.Errorf("payment %v: %w", r.Payment, err)
		}
		if o.State != terminal.Pending {
			return o, nil
		}
		if !t.Wait(ctx, min(max(b.At-t.Now(), time.Millisecond), look)) {
			return o, fmt.Errorf("payment %v: %w: %w", r.Payment, terminal.ErrNoAnswer, ctx.Err())
		}
	}
}

const (
	look   = 200 * time.Millisecond
	giveUp = 4 * time.Second
)

// Query is a method of terminal.Terminal.
func (t *Terminal) Query(_ context.Context, r terminal.Request) (terminal.Outcome, error) {
	o, err := t.Device.Look(t.Now(), r.Payment)
	if err != nil {
		return o, fmt.Errorf("query payment %v: %w", r.Payment, err)
	}
	return o, nil
}

// Cancel is a method of terminal.Terminal.
func (t *Terminal) Cancel(_ context.Context, payment crdt.ObjectID) error {
	if err := t.Device.Cancel(t.Now(), payment); err != nil {
		return fmt.Errorf("cancel payment %v: %w", payment, err)
	}
	return nil
}
