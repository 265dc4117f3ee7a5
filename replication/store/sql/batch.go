package sql

import (
	"bytes"
	"slices"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// change is what a batch comes to: each key once, in the order of keys. Rows are then written where their neighbours
// are, and two transactions never wait for each other's rows in a circle.
type change struct {
	keys, values [][]byte // to set
	gone         [][]byte // to remove
}

func changeOf(batch []rows.Write) change {
	last := make([]*rows.Write, len(batch))
	for i := range batch {
		last[i] = &batch[i]
	}
	slices.SortStableFunc(last, func(a, b *rows.Write) int { return bytes.Compare(a.Key, b.Key) })
	var c change
	for i, w := range last {
		switch {
		case i+1 < len(last) && bytes.Equal(w.Key, last[i+1].Key):
		case w.Delete:
			c.gone = append(c.gone, w.Key)
		default:
			c.keys, c.values = append(c.keys, w.Key), append(c.values, notNil(w.Value))
		}
	}
	return c
}

// notNil makes an absent value an empty one: to SQL nil is NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// size is how many bytes are written.
func (c change) size() (n int) {
	for i := range c.keys {
		n += len(c.keys[i]) + len(c.values[i])
	}
	return n
}
