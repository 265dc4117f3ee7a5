package health

import (
	"slices"
	"time"
)

// Past is a finding that held once.
type Past struct {
	Finding
	Until time.Time // zero: it still holds
}

// pastKept bounds what a History remembers.
const pastKept = 200

// History remembers since when findings hold, and those that no longer do. It is not safe for concurrent use.
type History struct {
	now  map[string]Finding
	past []Past // ended ones, the oldest first
}

// Update takes what was found now and returns it with Since set: what the finding says itself, else when it was here
// first.
func (h *History) Update(at time.Time, list []Finding) []Finding {
	out := slices.Clone(list)
	now := make(map[string]Finding, len(list))
	for i := range out {
		before, was := h.now[out[i].key()]
		switch {
		case was && !before.Since.IsZero() && (out[i].Since.IsZero() || before.Since.Before(out[i].Since)):
			out[i].Since = before.Since
		case out[i].Since.IsZero():
			out[i].Since = at
		}
		now[out[i].key()] = out[i]
	}
	for key, f := range h.now {
		if _, still := now[key]; !still && f.Code != AllWell {
			h.past = append(h.past, Past{f, at})
		}
	}
	slices.SortStableFunc(h.past, func(a, b Past) int { return a.Until.Compare(b.Until) })
	h.past = h.past[max(len(h.past)-pastKept, 0):]
	h.now = now
	return out
}

// Past returns the last 200 findings that ended, the oldest first, and then those that hold, in no order.
func (h *History) Past() []Past {
	out := slices.Clone(h.past)
	for _, f := range h.now {
		if f.Code != AllWell {
			out = append(out, Past{Finding: f})
		}
	}
	return out
}

// Meter turns counters that only grow into rates of the last minute. It is not safe for concurrent use.
type Meter struct {
	marks []mark
}

type mark struct {
	at     time.Time
	counts []Rate
}

const meterMarks = 64

// Observe takes the counters, always the same ones in the same order; every ten seconds is a good pace.
func (m *Meter) Observe(at time.Time, counts []Rate) {
	m.marks = append(m.marks, mark{at, slices.Clone(counts)})
	for len(m.marks) > meterMarks || len(m.marks) > 2 && at.Sub(m.marks[1].at) >= time.Minute {
		m.marks = slices.Delete(m.marks, 0, 1)
	}
}

// Rates returns by how much each counter grew in the last minute, brought to a minute where the marks span more.
func (m *Meter) Rates() []Rate {
	if len(m.marks) < 2 {
		return nil
	}
	first, last := m.marks[0], m.marks[len(m.marks)-1]
	spanned := max(last.at.Sub(first.at), time.Minute)
	var out []Rate
	for i, c := range last.counts {
		if i < len(first.counts) && first.counts[i].What == c.What && c.Count >= first.counts[i].Count {
			grown := (c.Count - first.counts[i].Count) * uint64(time.Minute/time.Millisecond) / uint64(spanned/time.Millisecond)
			out = append(out, Rate{c.What, grown})
		}
	}
	return out
}
