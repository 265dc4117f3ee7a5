package httpapi

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the figures of one server, in a registry of its own.
type Metrics struct {
	Registry *prometheus.Registry
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

// NewMetrics begins the figures of a program, whose name stands before the name of each: requests, the build, Go and the process.
// buckets are upper bounds in seconds.
func NewMetrics(program, version string, buckets []float64, more ...prometheus.Collector) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: program + "_http_requests_total", Help: "Answered HTTP requests by route and class of status.",
		}, []string{"route", "status"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: program + "_http_request_seconds", Help: "Time to answer, in seconds; for streams and other long ones how long they were open.", Buckets: buckets,
		}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: program + "_build_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.Registry.MustRegister(m.requests, m.times, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Registry.MustRegister(more...)
	return m
}

// RouteMetrics are the figures of one route.
type RouteMetrics struct {
	classes [6]prometheus.Counter // by the first digit of the status; 0: none was sent
	time    prometheus.Observer
}

// Route makes the figures of a route, before its first request, so that a zero is visible.
func (m *Metrics) Route(pattern string) (r RouteMetrics) {
	for i, class := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		r.classes[i] = m.requests.WithLabelValues(pattern, class)
	}
	r.time = m.times.WithLabelValues(pattern)
	return r
}

// Done counts an answer; status is 0 if none was sent.
func (r *RouteMetrics) Done(status int, took time.Duration) {
	class := status / 100
	if class < 0 || class >= len(r.classes) {
		class = 0
	}
	r.classes[class].Inc()
	r.time.Observe(took.Seconds())
}
