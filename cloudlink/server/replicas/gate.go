package replicas

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
)

const (
	// admissions is how many tills are let in at the same time. Each takes some transactions of one writer; when everyone tries at once nobody
	// is through before the tills have gone, and all come again.
	admissions = 16
	// queueTime is how long a till waits for its turn. It leaves the rest of [greeting.Patience] for its admission.
	queueTime = greeting.Patience * 2 / 5
)

// gate lets so many through at a time, in the order in which they came: a channel serves its senders so.
type gate chan struct{}

// enter waits for a place and returns what gives it back. The error is a *[greeting.Refusal] that says busy if that took too long.
func (g gate) enter(ctx context.Context, patience time.Duration) (leave func(), err error) {
	leave = func() { <-g }
	select {
	case g <- struct{}{}:
		return leave, nil
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case g <- struct{}{}:
		return leave, nil
	case <-late.C:
		return nil, greeting.Refuse(greeting.Busy)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
