package httpapi

import "net/http"

// Answered notes what was answered.
type Answered struct {
	http.ResponseWriter
	Status int   // 0: nothing was sent yet
	Bytes  int64 // of the body
}

// WriteHeader notes the status.
func (w *Answered) WriteHeader(status int) {
	if w.Status == 0 {
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes how much was written.
func (w *Answered) Write(b []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.Bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *Answered) Unwrap() http.ResponseWriter { return w.ResponseWriter }
