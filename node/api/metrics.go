package api

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tillmesh/tillmesh/node"
)

// metrics are the figures of one till, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

func newMetrics(t *node.Till, version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "till_http_requests_total", Help: "Answered HTTP requests by route and class of status.",
		}, []string{"route", "status"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "till_http_request_seconds", Help: "Time to answer, in seconds; for streams how long they were open.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, 1, 5, 30},
		}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "till_build_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.times, build, newTillCollector(t), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// routeMetrics are the figures of one route, made before the first request so that a zero is visible.
type routeMetrics struct {
	classes [6]prometheus.Counter // by the first digit of the status; 0: none was sent
	time    prometheus.Observer
}

func (m *metrics) route(pattern string) (r routeMetrics) {
	for i, class := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		r.classes[i] = m.requests.WithLabelValues(pattern, class)
	}
	r.time = m.times.WithLabelValues(pattern)
	return r
}

func (r *routeMetrics) done(status int, took time.Duration) {
	class := status / 100
	if class < 0 || class >= len(r.classes) {
		class = 0
	}
	r.classes[class].Inc()
	r.time.Observe(took.Seconds())
}

// tillCollector asks the till for its figures when somebody looks.
type tillCollector struct {
	till  *node.Till
	links *prometheus.Desc
	tills *prometheus.Desc
	alive *prometheus.Desc
	sales [4]*prometheus.Desc
	mesh  []*prometheus.Desc

	mu sync.Mutex // one look at a time: it takes the locks of the till
}

func newTillCollector(t *node.Till) *tillCollector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("till_"+name, help, nil, nil) }
	c := &tillCollector{
		till: t, links: desc("links", "Links to other tills now."), tills: desc("tills", "Active tills of the shop."),
		alive: desc("tills_alive", "Active tills that are alive as far as gossip knows, this one included."),
		sales: [4]*prometheus.Desc{
			desc("lines_added_total", "Lines added at this till."), desc("tabs_opened_total", "Tabs opened at this till."),
			desc("receipts_closed_total", "Receipts closed at this till."), desc("payments_taken_total", "Payments taken at this till."),
		},
	}
	for _, m := range meshCounters {
		c.mesh = append(c.mesh, desc(m.name+"_total", m.help))
	}
	return c
}

// Describe tells the registry what Collect gives.
func (c *tillCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range append(append([]*prometheus.Desc{c.links, c.tills, c.alive}, c.sales[:]...), c.mesh...) {
		out <- d
	}
}

// Collect gives the present figures.
func (c *tillCollector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, n := c.till.Mesh(), c.till.Counters()
	var tills, alive float64
	for _, t := range v.Tills {
		if t.State != "active" {
			continue
		}
		tills++
		if t.Alive {
			alive++
		}
	}
	gauge := func(d *prometheus.Desc, x float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x) }
	count := func(d *prometheus.Desc, x uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(x))
	}
	gauge(c.links, float64(v.Links.Links))
	gauge(c.tills, tills)
	gauge(c.alive, alive)
	for i, x := range []uint64{n.LinesAdded.Load(), n.TabsOpened.Load(), n.ReceiptsClosed.Load(), n.PaymentsTaken.Load()} {
		count(c.sales[i], x)
	}
	for i, m := range meshCounters {
		count(c.mesh[i], m.value(&v))
	}
}
