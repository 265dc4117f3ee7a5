package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// health says whether the till can sell.
type health struct {
	OK       bool            `json:"ok"`
	Problems []healthProblem `json:"problems,omitempty"`
}

// healthProblem is why it cannot.
type healthProblem struct {
	Code string `json:"code"` // stable
	Text string `json:"text"`
}

func (s *server) addHealth() {
	s.raw("GET /healthz", route{public: true}, func(w http.ResponseWriter, r *http.Request) {
		h := s.health(r.Context())
		w.Header().Set("Content-Type", "application/json")
		if !h.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		// The client may be gone; there is nobody to tell.
		_ = json.NewEncoder(w).Encode(h)
	})
	metrics := promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, DisableCompression: true})
	s.raw("GET /metrics", route{}, metrics.ServeHTTP)
}

// health looks how the till is.
func (s *server) health(ctx context.Context) health {
	v, err := s.till.Status(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "the state of the till cannot be read", "error", err)
	}
	return healthOf(v, err)
}

// healthOf tells no more than that something is wrong and of which kind: no token is asked for.
func healthOf(v node.Status, err error) health {
	switch {
	case errors.Is(err, engine.ErrStopped), errors.Is(err, rows.ErrClosed):
		return ill("stopping", "the till is stopping")
	case err != nil:
		return ill("store", "the store cannot be read; see the log of the till")
	case v.Removed != nil:
		return ill(node.CodeRemoved, "this till was removed from the shop; see its status")
	case v.Doubt != "":
		return ill("doubt", "nothing is written any more; see the status of the till")
	case v.Disk != nil && !v.Disk.Level.MayFinish():
		return ill(node.DiskCode(v.Disk.Level), v.Disk.Sentence())
	}
	return health{OK: true}
}

func ill(code, text string) health { return health{Problems: []healthProblem{{code, text}}} }
