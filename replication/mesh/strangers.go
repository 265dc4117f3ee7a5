package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxStrangers bounds how many addresses are remembered of which something was refused.
const maxStrangers = 32

// Stranger is an address of which something was refused.
type Stranger struct {
	Addr    netip.Addr
	Refused uint64 // how often, since First
	Reason  string // of the last time, in plain words
	First   time.Time
	Last    time.Time
}

// strangers remembers the addresses that trouble this till most, for whoever looks for the cause.
type strangers struct {
	mu    sync.Mutex
	table map[netip.Addr]*Stranger
}

// note remembers one refusal. When the table is full the address with the fewest refusals makes room, and a newcomer
// inherits nothing; so one that goes on stays, whatever number of addresses somebody makes up.
func (s *strangers) note(from netip.Addr, reason error, now time.Time) {
	if !from.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.table[from]
	if x == nil {
		if s.table == nil {
			s.table = make(map[netip.Addr]*Stranger)
		}
		if len(s.table) >= maxStrangers {
			s.forgetOneLocked()
		}
		x = &Stranger{Addr: from, First: now}
		s.table[from] = x
	}
	x.Refused++
	x.Reason, x.Last = reason.Error(), now
}

func (s *strangers) forgetOneLocked() {
	var least *Stranger
	for _, x := range s.table {
		if least == nil || x.Refused < least.Refused || x.Refused == least.Refused && x.Last.Before(least.Last) {
			least = x
		}
	}
	delete(s.table, least.Addr)
}

// all returns what is remembered, the most refused first.
func (s *strangers) all() []Stranger {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Stranger, 0, len(s.table))
	for _, x := range s.table {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Stranger) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), a.Addr.Compare(b.Addr))
	})
	return out
}
