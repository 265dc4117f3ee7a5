package api

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/node"
)

func newMetrics(t *node.Till, version string) *httpapi.Metrics {
	buckets := []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, 1, 5, 30}
	return httpapi.NewMetrics("till", version, buckets, newTillCollector(t))
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
