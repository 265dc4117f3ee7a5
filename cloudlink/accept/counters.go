package accept

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
)

// Stats are counted since the start, for metrics.
type Stats struct {
	Live      int64                    // sessions now
	Welcomed  uint64                   // sessions ever
	Refused   map[greeting.Code]uint64 // by reason
	Strangers uint64                   // requests that were no uplink
	Lost      uint64                   // callers that went away or fell silent before they proved who they are
	Slow      uint64                   // sessions cut because the till took nothing
	Silent    uint64                   // sessions cut because nothing was heard of the till
	TooBig    uint64                   // sessions cut because of a message above the limit
	BytesIn   uint64                   // of sessions that have ended
	BytesOut  uint64
}

type counters struct {
	live                                    atomic.Int64
	welcomed, strangers, lost, slow, silent atomic.Uint64
	tooBig, in, out                         atomic.Uint64
	mu                                      sync.Mutex
	refused                                 map[greeting.Code]uint64
}

// refuse counts by codes of this program only; what the caller makes up is one more.
func (c *counters) refuse(code greeting.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = make(map[greeting.Code]uint64)
	}
	c.refused[code]++
}

func (c *counters) ended(err error, stream *socket.Stream) {
	c.live.Add(-1)
	c.in.Add(uint64(stream.BytesIn()))
	c.out.Add(uint64(stream.BytesOut()))
	switch {
	case errors.Is(err, socket.ErrSlow):
		c.slow.Add(1)
	case errors.Is(err, socket.ErrSilent):
		c.silent.Add(1)
	case errors.Is(err, socket.ErrTooBig):
		c.tooBig.Add(1)
	}
}

// Stats returns what was counted.
func (h *Handler) Stats() Stats {
	c := &h.count
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Live: c.live.Load(), Welcomed: c.welcomed.Load(), Refused: maps.Clone(c.refused), Strangers: c.strangers.Load(), Lost: c.lost.Load(),
		Slow: c.slow.Load(), Silent: c.silent.Load(), TooBig: c.tooBig.Load(), BytesIn: c.in.Load(), BytesOut: c.out.Load(),
	}
}
