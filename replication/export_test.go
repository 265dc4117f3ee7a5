package replication

// Met returns of how many tills the core remembers which programs spoke.
func (c *Core) Met() int { return len(c.met) }

// Footprint counts what a peer could make grow.
func (c *Core) Footprint() (n int) {
	n = len(c.queue) + len(c.running) + len(c.later) + len(c.audit.jobs) + len(c.audit.results) + len(c.met) + len(c.audit.readings)
	for _, r := range c.audit.readings {
		n += len(r.waiters)
	}
	for _, l := range c.links {
		n += len(l.out) + len(l.pulls) + len(l.serves) + len(l.advert) + len(l.waits) + len(l.toAsk)
	}
	return n
}
