package node

import "sync"

// cached is a value that was computed from the store and holds until something it depends on changes. A value that was
// read before a change and is set after it is not kept.
type cached[T any] struct {
	mu    sync.RWMutex
	value T
	ok    bool
	gen   uint64
}

// get returns the value if it holds, and what set needs to know.
func (c *cached[T]) get() (value T, gen uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.value, c.gen, c.ok
}

func (c *cached[T]) set(value T, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		c.value, c.ok = value, true
	}
}

func (c *cached[T]) drop() {
	var none T
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.ok = none, false
	c.gen++
}
