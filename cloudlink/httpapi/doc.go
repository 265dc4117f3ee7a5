// Package httpapi is what the HTTP APIs of the till and of the cloud have in common: problems, the bodies of requests, figures, and the
// print by which a repeated request is known.
package httpapi
