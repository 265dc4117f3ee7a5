package node

import (
	"context"
	"sync"
	"time"
)

// Event is something that changed, for screens that want to know at once. IDs rise; the first 32 bits are the number
// of the till's start, so an ID of an earlier start is recognised.
type Event struct {
	ID   uint64
	At   time.Time
	What string // article, group, tax, settings, tab, presence, payment, receipt, closing, day, case, mesh, pairing, signing, backup, cloud

	Object string // ID of the article, group, tax, tab or receipt
	Change string // tab: opened, line, void, discount, payment, claim, closed, moved, renamed
	Line   string // tab: the line
	Number string // receipt
	Tab    string // payment: for which it is
	Till   string // who wrote it

	Copies  int    // receipt: on how many tills it is known to be, this one included; 0: it is not about that
	Release string // receipt: whether it may be printed, if that changed
}

const eventsKept = 8192

// Events keeps the last events and wakes those who wait for more.
type Events struct {
	now func() time.Time

	mu     sync.Mutex
	ring   []Event
	next   uint64 // ID of the next event
	first  uint64 // ID of the oldest event kept
	more   chan struct{}
	closed bool
}

func newEvents(boot uint32, now func() time.Time) *Events {
	first := uint64(boot)<<32 + 1
	return &Events{now: now, ring: make([]Event, eventsKept), next: first, first: first, more: make(chan struct{})}
}

func (e *Events) post(list ...Event) {
	if len(list) == 0 {
		return
	}
	now := e.now()
	e.mu.Lock()
	for _, ev := range list {
		ev.ID, ev.At = e.next, now
		e.ring[e.next%eventsKept] = ev
		e.next++
	}
	if e.next-e.first > eventsKept {
		e.first = e.next - eventsKept
	}
	wake := e.more
	if !e.closed {
		e.more = make(chan struct{})
	}
	closed := e.closed
	e.mu.Unlock()
	if !closed {
		close(wake)
	}
}

func (e *Events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		close(e.more)
	}
}

// Last returns the ID of the latest event.
func (e *Events) Last() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next - 1
}

// After returns the events after an ID, at least one: it waits for it. known is false if events between the ID and the
// oldest one kept are gone, or the ID is of another start: then the caller has to look at everything again. ok is false
// when the till stops or ctx is done.
func (e *Events) After(ctx context.Context, id uint64) (list []Event, known, ok bool) {
	for {
		e.mu.Lock()
		known = id+1 >= e.first && id < e.next
		if !known {
			e.mu.Unlock()
			return nil, false, true
		}
		for from := id + 1; from < e.next && len(list) < 512; from++ {
			list = append(list, e.ring[from%eventsKept])
		}
		more, closed := e.more, e.closed
		e.mu.Unlock()
		if len(list) > 0 {
			return list, true, true
		}
		if closed {
			return nil, true, false
		}
		select {
		case <-ctx.Done():
			return nil, true, false
		case <-more:
		}
	}
}
