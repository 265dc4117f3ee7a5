package serverclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CodeNoCloud is the code of a [Problem] whose answer did not come from a cloud.
const CodeNoCloud = "not-a-cloud"

// Problem is the cloud's refusal of a call (RFC 9457).
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
	// Since is since when a till is revoked, RFC 3339; else empty.
	Since string `json:"since,omitempty"`
	// Rules are all rules for passwords if one was refused.
	Rules []Rule `json:"rules,omitempty"`
	// Wait is how long to wait before trying again, zero if that was not said.
	Wait time.Duration `json:"-"`
}

// Error says what happened.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if text == "" {
		text = fmt.Sprintf("the cloud answered with status %d", p.Status)
	}
	if p.Field != "" && !strings.Contains(text, p.Field) {
		text = p.Field + ": " + text
	}
	return text
}

// Hint says what to do next; it may be empty.
func (p *Problem) Hint() string {
	if p.Advice == "" && p.Code == CodeNoCloud {
		return "look whether the address is right and what stands between"
	}
	return p.Advice
}

// CodeOf returns the code of the [Problem] in err, empty if there is none.
func CodeOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return ""
}

// maxWait bounds what a server can make this program wait.
const maxWait = time.Hour

func waitOf(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, int(maxWait/time.Second)))*time.Second, maxWait)
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
	_, unknown := errors.AsType[*net.DNSError](cause)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](cause)
	switch {
	case u.Refused():
		return "no cloud answers on " + u.Address
	case unknown:
		return fmt.Sprintf("the name %s cannot be found on the internet", u.Address)
	case untrusted:
		return fmt.Sprintf("the certificate of %s is not to be trusted: %v", u.Address, cause)
	case errors.Is(cause, context.Canceled):
		return fmt.Sprintf("the call to the cloud on %s was ended before it answered", u.Address)
	case isTimeout(cause):
		return fmt.Sprintf("the cloud on %s does not answer in time", u.Address)
	}
	return fmt.Sprintf("the cloud on %s gave no answer: %v", u.Address, cause)
}

// Hint says what to do next.
func (u *Unreachable) Hint() string {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](u.Err); untrusted {
		return "look whether the address is right and whether the clock of this machine is; nothing was sent"
	}
	return "nothing is lost: tills go on selling and try again; \"till cloud check\" says where the way ends"
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
