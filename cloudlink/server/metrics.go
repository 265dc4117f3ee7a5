package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

func newMetrics(o Options) *httpapi.Metrics {
	hashes := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "cloud_password_hashes_total", Help: "Passwords and coupling codes that were hashed.",
	}, func() float64 { return float64(o.Accounts.Hashes()) })
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}
	return httpapi.NewMetrics("cloud", o.Version, buckets, append([]prometheus.Collector{hashes}, o.Collectors...)...)
}
