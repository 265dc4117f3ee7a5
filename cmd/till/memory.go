package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryLimit keeps a till small: most of what the store would hold is garbage that waits for the collector. The
	// environment variable GOMEMLIMIT overrides it.
	memoryLimit = 48 << 20
	// memoryGrowth is how much garbage may gather, in percent of what is in use; the environment variable GOGC overrides
	// it. The usual 100 would make a till collect half as often, which is not felt, and rest with half more memory.
	memoryGrowth = 50
)

// When memory is given back to the machine.
const (
	tidyEvery = 5 * time.Second
	quiet     = 1 << 20 // bytes allocated since the last look: nobody sells and nothing is copied
	quietFor  = 3       // looks in a row: the store lets go of its buffers one every two seconds
	worthIt   = 4 << 20 // bytes allocated since memory was last given back
)

// limitMemory sets the limits that the environment does not.
// It reports whether the limit of memory is this program's to fit.
func limitMemory(env func(string) string) (fit bool) {
	if fit = env("GOMEMLIMIT") == ""; fit {
		debug.SetMemoryLimit(memoryLimit)
	}
	if env("GOGC") == "" {
		debug.SetGCPercent(memoryGrowth)
	}
	return fit
}

// tidyMemory gives back what the start took and, whenever the till has become quiet, what the work before took, until ctx
// is done. The collector runs when memory is allocated, so a till that took over a catalogue and then rests would keep it.
func tidyMemory(ctx context.Context, fit bool) {
	debug.FreeOSMemory()
	last := allocated()
	tidied := last
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	looks := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if looks++; now-last >= quiet {
			looks = 0
		}
		if looks >= quietFor && now-tidied >= worthIt {
			debug.FreeOSMemory()
			now = allocated()
			tidied = now
		}
		last = now
		if fit {
			fitLimit()
		}
	}
}

// fitLimit raises the limit of a till that really needs more, such as one with many open sales: a collector that has to
// stay under what is in use would run all the time.
func fitLimit() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetMemoryLimit(max(memoryLimit, 2*int64(sample[0].Value.Uint64())))
}

// allocated returns the bytes allocated since the start.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
