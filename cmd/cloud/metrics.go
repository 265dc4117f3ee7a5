package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
)

// noticed are the figures of what was noticed in the shops that are open on this server. Each server tells of its own shops.
type noticed struct {
	of                    func() replicas.Noticed
	silent, gaps, missing *prometheus.Desc
}

func newNoticed(of func() replicas.Noticed) *noticed {
	return &noticed{
		of:      of,
		silent:  prometheus.NewDesc("cloud_silent_tills", "Tills that were not heard for a day, while others of their shop were, in the shops that are open on this server.", nil, nil),
		gaps:    prometheus.NewDesc("cloud_series_gaps", "Ranges of numbers that are missing in the archive although later ones are there, in the shops that are open on this server.", nil, nil),
		missing: prometheus.NewDesc("cloud_series_missing", "Numbers in those ranges.", nil, nil),
	}
}

// Describe is a method of prometheus.Collector.
func (n *noticed) Describe(to chan<- *prometheus.Desc) {
	to <- n.silent
	to <- n.gaps
	to <- n.missing
}

// Collect is a method of prometheus.Collector.
func (n *noticed) Collect(to chan<- prometheus.Metric) {
	now := n.of()
	to <- prometheus.MustNewConstMetric(n.silent, prometheus.GaugeValue, float64(now.SilentTills))
	to <- prometheus.MustNewConstMetric(n.gaps, prometheus.GaugeValue, float64(now.Gaps))
	to <- prometheus.MustNewConstMetric(n.missing, prometheus.GaugeValue, float64(now.Missing))
}
