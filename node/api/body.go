package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxBody  = 1 << 20 // bytes of a request
	bodyTime = 10 * time.Second
)

// readBody reads the body of a request whole and puts it back as a reader of memory, so that what follows can neither
// wait for the network nor be surprised by its length.
func readBody(limits *http.ResponseController, w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		r.Body = http.NoBody
		return nil, nil
	}
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	// Without a deadline a client could hold a slot by sending nothing. A writer without deadlines is a test's.
	timed := limits.SetReadDeadline(time.Now().Add(bodyTime)) == nil
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := io.Copy(&buf, http.MaxBytesReader(w, r.Body, maxBody))
	if timed {
		// Else the deadline would end the request itself. An error means that the connection is gone.
		_ = limits.SetReadDeadline(time.Time{})
	}
	if p := bodyProblem(err); p != nil {
		return nil, p
	}
	body := buf.Bytes()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !strings.EqualFold(kind, "application/json") {
		return nil, newProblem(http.StatusUnsupportedMediaType, codeContentType, `send "Content-Type: application/json"`,
			"the body has the content type %q", clip(r.Header.Get("Content-Type"), 100))
	}
	if !utf8.Valid(body) {
		return nil, newProblem(http.StatusBadRequest, codeMalformed, "", "the body is not UTF-8")
	}
	return body, nil
}

func bodyProblem(err error) *problem {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return newProblem(http.StatusRequestTimeout, codeTimeout, "", "the body did not arrive within %v", bodyTime)
	}
	return newProblem(http.StatusBadRequest, codeMalformed, "", "the body could not be read: %v", err)
}

func tooLarge() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "send it in smaller parts", "the body has more than %d bytes", maxBody)
}
