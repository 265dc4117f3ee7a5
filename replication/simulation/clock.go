package simulation

import "time"

// Clock is the wall clock of a machine: what its battery and its user make of the time.
type Clock struct {
	w      *World
	since  time.Time // true time when it was set
	shown  time.Time // what it showed then
	driftP int64     // parts per million by which it is too fast
}

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	past := c.w.now.Sub(c.since)
	return c.shown.Add(past + time.Duration(int64(past/1_000_000)*c.driftP))
}

// Set makes the clock show a time from now on, as a person does, or a network.
func (c *Clock) Set(t time.Time) { c.since, c.shown = c.w.now, t }

// Jump moves the clock.
func (c *Clock) Jump(by time.Duration) { c.Set(c.Now().Add(by)) }

// Drift makes the clock run too fast by parts per million, too slow if negative.
func (c *Clock) Drift(ppm int64) {
	c.Set(c.Now())
	c.driftP = ppm
}

// Offset returns by how much the clock is ahead of the true time.
func (c *Clock) Offset() time.Duration { return c.Now().Sub(c.w.now) }
