package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Problem is the till's refusal of a call (RFC 9457).
type Problem struct {
	// Type is a URN of the kind of problem, or about:blank.
	Type string `json:"type"`
	// Title is the kind of problem in words, the same for all of its kind.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says what happened, to which thing.
	Detail string `json:"detail"`
	// Code is stable; programs decide by it.
	Code string `json:"code"`
	// Advice is what to do next; it may be empty.
	Advice string `json:"hint,omitempty"`
	// Field is the member of the request that was refused; it may be empty.
	Field string `json:"field,omitempty"`
}

// Error says what happened.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if text == "" {
		text = fmt.Sprintf("the till answered with status %d", p.Status)
	}
	if p.Field != "" && !strings.Contains(text, p.Field) {
		text = p.Field + ": " + text
	}
	return text
}

// Hint says what to do next; it may be empty.
func (p *Problem) Hint() string {
	switch {
	case p.Advice != "":
		return p.Advice
	case p.Status == http.StatusUnauthorized:
		return "the token is in the file \"token\" of the till's data directory: name it with --data or --token-file"
	case p.Code == "not-a-till":
		return "another program answers on that port: look which one, or name the till's address with --http"
	}
	return ""
}

// CodeOf returns the code of the [Problem] in err, empty if there is none.
func CodeOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return ""
}

// Unreachable means that no whole answer came. The call may have been done all the same, unless Refused.
type Unreachable struct {
	// Address is the host and port that was called.
	Address string
	// Err is what the network said.
	Err error
}

// Error says what happened.
func (u *Unreachable) Error() string {
	cause := u.Err
	if wrapped, ok := errors.AsType[*url.Error](cause); ok {
		cause = wrapped.Err // the URL is in our own words already
	}
	switch {
	case u.Refused():
		return "no till answers on " + u.Address
	case errors.Is(cause, context.Canceled):
		return fmt.Sprintf("the call to the till on %s was ended before it answered", u.Address)
	case isTimeout(cause):
		return fmt.Sprintf("the till on %s does not answer in time", u.Address)
	}
	return fmt.Sprintf("the till on %s gave no answer: %v", u.Address, cause)
}

// Hint says what to do next.
func (u *Unreachable) Hint() string {
	if u.Refused() {
		return "start one with \"till run --data DIR\", or name its address with --http"
	}
	return "look whether the till runs and what it logs, then try again"
}

// Unwrap returns what the network said.
func (u *Unreachable) Unwrap() error { return u.Err }

// Refused reports that nobody listens there, so the call was not done.
func (u *Unreachable) Refused() bool { return errors.Is(u.Err, syscall.ECONNREFUSED) }

func isTimeout(err error) bool {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
