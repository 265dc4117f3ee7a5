package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Environment is time and chance, as a till gets them from outside. Its functions are called from any goroutine.
type Environment struct {
	// Now is the clock of the machine, which people and networks set: it may be wrong and it may jump. nil: time.Now.
	Now func() time.Time
	// Steady is the time since some moment, which no change of that clock touches. Waiting and idling are measured with
	// it. nil: since the till was made.
	Steady func() time.Duration
	// Random is a cryptographically secure source that does not fail. nil: crypto/rand.Reader.
	Random io.Reader
}

// orReal fills in what is not set.
func (e Environment) orReal() Environment {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Steady == nil {
		began := time.Now()
		e.Steady = func() time.Duration { return time.Since(began) }
	}
	if e.Random == nil {
		e.Random = rand.Reader
	}
	return e
}

// draw fills b with chance. Like crypto/rand, it does not go on without.
func (e Environment) draw(b []byte) {
	if _, err := io.ReadFull(e.Random, b); err != nil {
		panic(fmt.Sprintf("the source of randomness failed: %v", err))
	}
}

func (e Environment) objectID() (id crdt.ObjectID) {
	e.draw(id[:])
	return id
}

// under returns a time of at least nothing and less than limit.
func (e Environment) under(limit time.Duration) time.Duration {
	if limit <= 1 {
		return 0
	}
	var b [8]byte
	e.draw(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(limit))
}

// wait returns after d, or sooner if woken; false if ctx is done.
func (e Environment) wait(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-woken:
	}
	return true
}

// every calls do at every interval until ctx is done.
func (e Environment) every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// businessClock is the time a till writes down: on lines, payments and receipts, and in the stamps that order concurrent
// changes. It is the machine's clock, put right by what is known about it.
type businessClock struct {
	wall func() time.Time
	// judge says by how much the machine's clock is behind and whether it is to be trusted. nil: nobody knows better.
	judge func() (offset time.Duration, trusted bool)
}

// Read returns the business time and whether it is to be trusted.
func (c *businessClock) Read() (now time.Time, trusted bool) {
	if c.judge == nil {
		return c.wall(), true
	}
	offset, trusted := c.judge()
	return c.wall().Add(offset), trusted
}

// Now returns the business time.
func (c *businessClock) Now() time.Time {
	now, _ := c.Read()
	return now
}

// MS returns the business time as Unix milliseconds.
func (c *businessClock) MS() int64 { return c.Now().UnixMilli() }

// Stamp returns the stamp of a change that is made now.
func (c *businessClock) Stamp() crdt.Stamp {
	now, trusted := c.Read()
	return crdt.Stamp{Trusted: trusted, MS: now.UnixMilli()}
}
