package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

// health says whether this server should get requests.
type health struct {
	OK       bool   `json:"ok"`
	Database string `json:"database"`
}

func (s *Server) addHealth() {
	s.raw("GET /healthz", route{public: true}, func(w http.ResponseWriter, r *http.Request) {
		state, _ := s.database(r.Context())
		v := health{state != databaseDown, state} // one that is full can still be read, and says so to the tills
		w.Header().Set("Content-Type", "application/json")
		if !v.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		// The client may be gone; there is nobody to tell.
		_ = json.NewEncoder(w).Encode(v)
	})
	figures := promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, DisableCompression: true})
	s.raw("GET /metrics", route{public: true}, func(w http.ResponseWriter, r *http.Request) {
		if !s.mayMeasure(r) {
			newProblem(http.StatusUnauthorized, accounts.CodeUnauthorized, "start the cloud with a token for metrics, and send it", "figures are not for everybody").write(w)
			return
		}
		figures.ServeHTTP(w, r)
	})
}

// mayMeasure reports whether a request may see the figures: with the token if there is one, else from this machine, unless
// a proxy stands in front.
func (s *Server) mayMeasure(r *http.Request) bool {
	if s.o.Metrics == "" {
		return len(s.o.Proxies) == 0 && peer(r).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" && r.Header.Get("Via") == ""
	}
	// Hashes have one length, so the time says nothing about the token.
	given, want := sha256.Sum256([]byte(bearer(r.Header))), sha256.Sum256([]byte(s.o.Metrics))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1
}
