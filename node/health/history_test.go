package health_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/health"
)

func TestHistory(t *testing.T) {
	var h health.History
	one := health.Finding{Code: health.DiskLow, Severity: health.Warn}
	away := health.Finding{Code: health.NotSeen, Tills: []string{"Kasse 2"}, Since: ago(time.Hour)}
	got := h.Update(now, []health.Finding{one, away})
	require.Equal(t, now, got[0].Since)
	require.Equal(t, ago(time.Hour), got[1].Since)
	got = h.Update(now.Add(time.Minute), []health.Finding{one})
	require.Equal(t, now, got[0].Since, "still the same")
	past := h.Past()
	require.Len(t, past, 2)
	require.Equal(t, health.NotSeen, past[0].Code)
	require.Equal(t, now.Add(time.Minute), past[0].Until)
	require.Zero(t, past[1].Until)
	for i := range 1000 {
		h.Update(now.Add(time.Duration(i)*time.Minute), []health.Finding{{Code: health.NotSeen, Tills: []string{fmt.Sprint(i)}}})
	}
	require.Len(t, h.Past(), 201)
	h.Update(now, []health.Finding{{Code: health.AllWell}})
	h.Update(now, nil)
	for _, p := range h.Past() {
		require.NotEqual(t, health.AllWell, p.Code)
	}
}

func TestMeter(t *testing.T) {
	var m health.Meter
	require.Empty(t, m.Rates())
	for i := range 100 {
		m.Observe(now.Add(time.Duration(i)*10*time.Second), []health.Rate{{What: "noise", Count: uint64(50 * i)}, {What: "busy", Count: 7}})
	}
	require.Equal(t, []health.Rate{{What: "noise", Count: 300}, {What: "busy", Count: 0}}, m.Rates())
	// After a quiet hour without a look the growth is spread over the hour.
	m.Observe(now.Add(time.Hour+1000*time.Second), []health.Rate{{What: "noise", Count: 50*99 + 600}, {What: "busy", Count: 7}})
	require.Less(t, m.Rates()[0].Count, uint64(40))
	// A counter that began anew says nothing.
	m.Observe(now.Add(time.Hour+1010*time.Second), []health.Rate{{What: "noise", Count: 1}, {What: "busy", Count: 8}})
	require.NotContains(t, fmt.Sprint(m.Rates()), "noise")
}
