package api

import (
	"cmp"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/store"
)

// parseObject reads the ID of an object; an empty text is the zero ID.
func parseObject(field, s string) (crdt.ObjectID, error) {
	if s == "" {
		return crdt.ObjectID{}, nil
	}
	id, err := crdt.ParseObjectID(s)
	if err != nil {
		return id, invalid(field, "%s: %v", field, err)
	}
	return id, nil
}

// objectText is the reverse of parseObject.
func objectText(id crdt.ObjectID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func tillText(id crdt.TillID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// instant writes a time as RFC 3339 in UTC with milliseconds, empty if there is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func instantMS(ms int64) string {
	if ms == 0 {
		return ""
	}
	return instant(time.UnixMilli(ms))
}

// page is one part of a list.
type page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" doc:"Cursor for the parameter after; empty at the end"`
}

// startAfter returns where a list by ID goes on after a cursor; more is false behind the last of all IDs.
func startAfter(cursor string) (from crdt.ObjectID, more bool, err error) {
	if cursor == "" {
		return from, true, nil
	}
	if from, err = parseObject("query.after", cursor); err != nil {
		return from, false, err
	}
	from, more = store.NextID(from)
	return from, more, nil
}

// shape turns a list with IDs into a page. next is where the list goes on.
func shape[T, U any](list []node.Listed[T], next crdt.ObjectID, show func(crdt.ObjectID, T, error) U) page[U] {
	p := page[U]{Items: make([]U, 0, len(list))}
	for _, l := range list {
		p.Items = append(p.Items, show(l.ID, l.Value, l.Err))
	}
	if !next.IsZero() && len(list) > 0 {
		p.Next = list[len(list)-1].ID.String()
	}
	return p
}

// yesNo reads a parameter that is "true", "false" or left out.
func yesNo(s string) *bool {
	if s == "" {
		return nil
	}
	yes := s == "true"
	return &yes
}

// had reports the value behind a pointer, and the other one if there is none.
func had[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

func ref[T any](v T) *T { return &v }

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// names knows what people call the tills. It looks again after a while, and when it meets one it does not know.
type names struct {
	till *node.Till
	mu   sync.Mutex
	at   time.Time
	of   map[crdt.TillID]string
}

const namesAge = 5 * time.Second

func (n *names) name(id crdt.TillID) string {
	if id.IsZero() {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	age := time.Since(n.at)
	if _, known := n.of[id]; n.of == nil || age > namesAge || !known && age > time.Second {
		n.of, n.at = make(map[crdt.TillID]string), time.Now()
		for _, t := range n.till.Mesh().Tills {
			n.of[t.Till] = t.Name
		}
		for _, c := range n.till.Clouds() {
			n.of[c.ID] = c.Name
		}
	}
	return cmp.Or(n.of[id], id.Short())
}
