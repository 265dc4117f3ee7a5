package cloudlink

import (
	"errors"
	"fmt"
	"time"
)

// Failure is why a connection could not be made, or ended. It is an error.
type Failure struct {
	Cause Cause
	Since time.Time     // since when the cloud says that it is so; zero: it does not say
	Retry time.Duration // the cloud asks not to be called again before; 0: it does not
	Text  string        // what the cloud said in words, if anything
	Err   error         // what exactly happened
}

// Error returns the sentence of the cause and what happened.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Cause.Text()
	}
	return fmt.Sprintf("%s: %v", f.Cause.Text(), f.Err)
}

// Unwrap returns what happened.
func (f *Failure) Unwrap() error { return f.Err }

// FailureOf returns the failure in an error; any other error is one of the server.
func FailureOf(err error) *Failure {
	f := (*Failure)(nil)
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Cause: ServerDown, Err: err}
}
