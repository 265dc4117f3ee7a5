package cloudlink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// failure says why a connection was not made: response is what came instead, if anything did.
func (d *Dialer) failure(response *http.Response, err error) *Failure {
	if response != nil {
		return answerFailure(response, err)
	}
	cause := lineCause(err)
	if cause == NoInternet && !d.cfg.Networked() {
		cause = NoNetwork
	}
	return &Failure{Cause: cause, Err: err}
}

// answerFailure is about a server that answered with something else than an uplink.
func answerFailure(response *http.Response, err error) *Failure {
	f := &Failure{Cause: Intercepted, Err: err}
	switch code, than := response.StatusCode, socket.Compare(response); {
	case than > 0: // a cloud that does not speak with programs of this generation any more
		f.Cause = Cause(greeting.VersionTooOld)
	case than < 0:
		f.Cause = Cause(greeting.VersionTooNew)
	case code == http.StatusProxyAuthRequired, socket.IsCloud(response): // the cloud, which did not see that a WebSocket was asked for
		f.Cause = ProxyFails
	case code == http.StatusTooManyRequests:
		f.Cause = Cause(greeting.Busy)
	case code >= 500:
		f.Cause = ServerDown
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 && f.Cause != Intercepted {
		f.Retry = min(time.Duration(min(seconds, 1<<20))*time.Second, mostRetry)
	}
	return f
}

// lineCause is about a server that did not answer at all.
func lineCause(err error) Cause {
	var (
		name        *net.DNSError
		op          *net.OpError
		record      tls.RecordHeaderError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect", errors.Is(err, errProxy):
		return ProxyFails
	case errors.As(err, &name):
		return NoInternet
	case errors.As(err, &certificate), errors.As(err, &authority):
		return Untrusted
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch), errors.Is(err, socket.ErrProtocol):
		return Intercepted
	case noRoute(err):
		return NoInternet
	}
	return ServerDown
}

func noRoute(err error) bool {
	for _, no := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// GreetingFailure says what the error of a greeting that did not end well means for a till.
func GreetingFailure(err error) *Failure {
	f := &Failure{Cause: ServerDown, Err: err}
	switch r := greeting.RefusalOf(err); {
	case r != nil && r.Believed():
		f.Cause, f.Text, f.Retry, f.Err = Cause(r.Code), r.Text, r.Retry, r
		if r.SinceMS > 0 {
			f.Since = time.UnixMilli(r.SinceMS)
		}
	case r != nil: // somebody says that it lasts, who need not be the cloud
		f.Retry = r.Retry
	case errors.Is(err, greeting.ErrOtherCloud), errors.Is(err, greeting.ErrNotCloud):
		f.Cause = OtherCloud
	case errors.Is(err, greeting.ErrTooOld):
		f.Cause = Cause(greeting.VersionTooOld)
	case errors.Is(err, greeting.ErrTooNew):
		f.Cause = Cause(greeting.VersionTooNew)
	case errors.Is(err, codec.ErrMalformed), errors.Is(err, socket.ErrText), errors.Is(err, socket.ErrTooBig):
		f.Cause = Intercepted
	}
	return f
}

// endFailure is why a session ended that an engine served and this side did not end.
func endFailure(err error) *Failure {
	switch {
	case errors.Is(err, replication.ErrNewer):
		return &Failure{Cause: Cause(greeting.VersionTooOld), Err: err}
	case errors.Is(err, replication.ErrOlder):
		return &Failure{Cause: Cause(greeting.VersionTooNew), Err: err}
	case errors.Is(err, engine.ErrStopped):
		return &Failure{Cause: StoreFails, Err: err}
	case errors.Is(err, socket.ErrSilent), errors.Is(err, socket.ErrSlow):
		return &Failure{Cause: Quiet, Err: err}
	}
	return &Failure{Cause: ServerDown, Err: err}
}
