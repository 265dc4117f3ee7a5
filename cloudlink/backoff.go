package cloudlink

import "time"

const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = time.Minute
	// mostRetry bounds what a cloud may ask for.
	mostRetry = 10 * time.Minute
)

// backoff returns the wait after so many failures in a row, doubled from 0.5 s to 60 s. The upper half is drawn by jitter, which
// returns a number in [0, n), so that the tills of many shops do not come back in step.
func backoff(failures int, f *Failure, jitter func(time.Duration) time.Duration) time.Duration {
	d := backoffMost
	if failures < 7 && !f.Cause.Lasting() {
		d = min(backoffFirst<<failures, backoffMost)
	}
	wait := d/2 + jitter(d/2+1)
	if f.Retry > 0 {
		asked := min(f.Retry, mostRetry)
		wait = max(wait, asked+jitter(asked/4+1))
	}
	return wait
}
