//go:build bench

package scale

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// writeCost is what one line costs among n tills, from the request until all hold it.
type writeCost struct {
	here  time.Duration // until it is saved at the till that wrote it, median
	all   time.Duration // until its writer knows that all tills hold it, median
	bytes int64         // that went over all links together
	cpu   time.Duration // of all tills together
}

// writeRows measure one line at a time in shops of different sizes, on stores in memory: there is no fsync in it.
func writeRows(t *testing.T, table *report) {
	times := plot{name: "write-time", title: "One line until all tills hold it (two cores, no fsync)", x: "tills", y: "ms", curves: []curve{{label: "all hold it"}, {label: "saved here"}}}
	cost := plot{name: "write-cost", title: "What one line costs each till", x: "tills", y: "µs of CPU, bytes sent",
		curves: []curve{{label: "CPU, µs"}, {label: "bytes sent"}}}
	for _, n := range sizes() {
		c := measureWrites(t, n)
		each, sent := c.cpu/time.Duration(n), c.bytes/int64(n)
		table.add(fmt.Sprintf("a line of 160 bytes among %d tills", n),
			fmt.Sprintf("saved in %s, on all tills in %s; %d B sent and %d µs CPU a till", figures.Duration(c.here), figures.Duration(c.all), sent, each.Microseconds()),
			"two cores for all tills, no fsync")
		x := float64(n)
		times.add(0, x, c.all.Seconds()*1e3)
		times.add(1, x, c.here.Seconds()*1e3)
		cost.add(0, x, float64(each.Microseconds()))
		cost.add(1, x, float64(sent))
	}
	times.draw(t)
	cost.draw(t)
}

func measureWrites(t *testing.T, n int) writeCost {
	t.Helper()
	writes := sized(300, 20)
	s := openShop(t, n, false)
	defer s.close()
	_, err := s.tills[0].engine.Commit(t.Context(), line(0))
	require.NoError(t, err)
	require.True(t, await(time.Millisecond, s.equal), "a shop of %d tills begins equal", n)
	bytes, cpu := s.sent.Load(), cpuTime(t)
	var here, all []time.Duration
	for i := range writes {
		began := time.Now()
		c, err := s.tills[0].engine.Commit(t.Context(), line(i+1))
		require.NoError(t, err)
		here = append(here, time.Since(began))
		for patient := time.After(patience); len(s.tills[0].engine.Holders(c.Scope, c.Dot)) < n-1; {
			select {
			case <-s.tills[0].held:
			case <-patient:
				require.Fail(t, "a line is not on all tills", "%d of them", n)
			}
		}
		all = append(all, time.Since(began))
	}
	// What tills tell each other later belongs to it.
	require.True(t, await(200*time.Millisecond, s.equal), "a shop of %d tills ends equal", n)
	return writeCost{
		here: figures.Median(here), all: figures.Median(all), bytes: (s.sent.Load() - bytes) / int64(writes),
		cpu: (cpuTime(t) - cpu) / time.Duration(writes),
	}
}
