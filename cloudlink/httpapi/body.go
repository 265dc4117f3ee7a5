package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxBody bounds a request in bytes.
const MaxBody = 1 << 20

// ReadBody reads the body of a request whole and puts it back as a reader of memory, so that what follows can neither wait for
// the network nor be surprised by its length. It refuses what is too long, no JSON by its name, not UTF-8, or not there within
// the limit.
func ReadBody(limits *http.ResponseController, w http.ResponseWriter, r *http.Request, limit time.Duration) ([]byte, *Problem) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		r.Body = http.NoBody
		return nil, nil
	}
	if r.ContentLength > MaxBody {
		return nil, tooLarge()
	}
	// Without a deadline a client could hold a slot by sending nothing. A writer without deadlines is a test's.
	timed := limits.SetReadDeadline(time.Now().Add(limit)) == nil
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := io.Copy(&buf, http.MaxBytesReader(w, r.Body, MaxBody))
	if p := bodyProblem(err, limit); p != nil {
		// Else the server would wait for the rest before it takes another request. The deadline stays for the same reason.
		w.Header().Set("Connection", "close")
		return nil, p
	}
	if timed {
		// Else the deadline would end the request itself. An error means that the connection is gone.
		_ = limits.SetReadDeadline(time.Time{})
	}
	body := buf.Bytes()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !strings.EqualFold(kind, "application/json") {
		return nil, refuse(http.StatusUnsupportedMediaType, CodeContentType, `send "Content-Type: application/json"`,
			"the body has the content type %q", Clip(r.Header.Get("Content-Type"), 100))
	}
	if !utf8.Valid(body) {
		return nil, refuse(http.StatusBadRequest, CodeMalformed, "", "the body is not UTF-8")
	}
	return body, nil
}

func bodyProblem(err error, limit time.Duration) *Problem {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return refuse(http.StatusRequestTimeout, CodeTimeout, "", "the body did not arrive within %v", limit)
	}
	return refuse(http.StatusBadRequest, CodeMalformed, "", "the body could not be read: %v", err)
}

func tooLarge() *Problem {
	return refuse(http.StatusRequestEntityTooLarge, CodeTooLarge, "send it in smaller parts", "the body has more than %d bytes", MaxBody)
}

func refuse(status int, code, hint, format string, args ...any) *Problem {
	p := New(status, code, hint, format, args...)
	return &p
}

// Digest hashes parts so that no two lists of parts have one hash. That of the method, the path and the body says whether two
// requests are the same.
func Digest(parts ...[]byte) (sum [32]byte) {
	h := sha256.New()
	var n [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}
