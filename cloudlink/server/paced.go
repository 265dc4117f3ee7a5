package server

import (
	"errors"
	"net/http"
	"time"
)

// paced gives a client a while for each piece of a long answer, not for all of it: whoever takes nothing is cut off,
// whoever is slow is not.
type paced struct {
	http.ResponseWriter
	limits *http.ResponseController
}

// Write writes one piece.
func (p *paced) Write(b []byte) (int, error) {
	if err := p.limits.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}
