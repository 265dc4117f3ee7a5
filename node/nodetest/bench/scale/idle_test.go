//go:build bench

package scale

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// sizes are the numbers of tills that are measured.
func sizes() []int { return sized([]int{3, 10, 30, 50}, []int{3, 5}) }

// idleCost is what one till of n costs while nothing happens.
type idleCost struct {
	tills  int
	links  float64 // bytes per second sent
	gossip float64
	memory int64         // bytes of heap and stacks
	cpu    time.Duration // per minute
}

// idleRows measure shops of which nobody wants anything.
func idleRows(t *testing.T, table *report) {
	traffic := plot{name: "idle-traffic", title: "What a till says while nothing happens", x: "tills", y: "bytes per second",
		curves: []curve{{label: "gossip"}, {label: "links"}}}
	memory := plot{name: "idle-memory", title: "Memory that a till adds to the process", x: "tills", y: "kB per till", curves: []curve{{label: "heap, stacks"}}}
	cpu := plot{name: "idle-cpu", title: "CPU of a till while nothing happens", x: "tills", y: "ms per minute", curves: []curve{{label: "all of it"}}}
	for _, n := range sizes() {
		c := measureIdle(t, n)
		table.add(fmt.Sprintf("idle, %d tills in one process: each", n),
			fmt.Sprintf("links %.0f B/s, gossip %.0f B/s, %s, %s CPU a minute", c.links, c.gossip, figures.Kilobytes(c.memory), figures.Duration(c.cpu)), "-")
		x := float64(n)
		traffic.add(0, x, c.gossip)
		traffic.add(1, x, c.links)
		memory.add(0, x, float64(c.memory)/1e3)
		cpu.add(0, x, float64(c.cpu.Microseconds())/1e3)
	}
	traffic.draw(t)
	memory.draw(t)
	cpu.draw(t)
}

// measureIdle runs a shop of n tills for minutes of virtual time. CPU is that of the whole process, the simulated clock
// included, divided by the tills.
func measureIdle(t *testing.T, n int) (out idleCost) {
	t.Helper()
	const rest = 10 * time.Minute
	before := memoryInUse()
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, n, true)
		defer func() {
			s.close()
			<-time.After(time.Minute) // memberlist does not wait for the probes that it began
		}()
		for i, l := range s.tills {
			_, err := l.engine.Commit(t.Context(), line(i))
			require.NoError(t, err)
		}
		<-time.After(5 * time.Minute) // everybody knows everybody
		require.True(t, s.equal(), "a shop of %d tills rests", n)
		out = idleCost{tills: n, memory: (memoryInUse() - before) / int64(n)}
		links, gossip, cpu := s.sent.Load(), s.network.sent.Load(), cpuTime(t)
		<-time.After(rest)
		per := rest.Seconds() * float64(n)
		out.links, out.gossip = float64(s.sent.Load()-links)/per, float64(s.network.sent.Load()-gossip)/per
		out.cpu = (cpuTime(t) - cpu) / time.Duration(n) / time.Duration(rest/time.Minute)
	})
	return out
}

func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
