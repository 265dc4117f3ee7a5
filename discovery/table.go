package discovery

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of a [Table]. An unknown till counts as one entry per address.
const (
	MaxEntries   = 256 // per source
	MaxAddresses = 16  // per till
)

// sourceOrder is the order in which sources may fill a till's addresses: who can be forged comes last.
var sourceOrder = []string{SourceManual, SourceRemembered, SourceGossip, SourceMDNS}

// Peer is what all sources together suggest about one till.
type Peer struct {
	Till    crdt.TillID      // zero if unknown; then there is exactly one address
	Shop    crdt.ShopID      // ours if any source says so; zero if unknown
	Addrs   []netip.AddrPort // own subnets first, then the newest; at most MaxAddresses
	Sources []string         // in the order manual, remembered, gossip, mdns
	SeenAt  time.Time        // the newest suggestion
}

// Table merges the candidates of all sources. It is safe for concurrent use and starts no goroutine.
//
// Sources do not overwrite each other, and within a source an address lives until it expires: a forged candidate can
// add addresses to a till, it cannot take away the true one.
type Table struct {
	self Self

	mu struct {
		sync.Mutex
		sources map[string]map[key]*entry
		dropped uint64
	}
}

// key names an entry of one source. addr is set only if the till is unknown.
type key struct {
	till crdt.TillID
	addr netip.AddrPort
}

type entry struct {
	shop  crdt.ShopID
	addrs map[netip.AddrPort]time.Time // when last suggested
}

// NewTable returns an empty table of the till self, which it never returns. The shop of self may be zero; if it is
// not, tills of other shops make room for tills of this one when a source is full.
func NewTable(self Self) *Table {
	t := &Table{self: self}
	t.mu.sources = map[string]map[key]*entry{}
	return t
}

// Add merges a candidate and reports whether any of it was taken. Refused are: ourselves, unknown sources, invalid
// addresses, a new till when its source is full. What was refused is counted, see [Table.Dropped].
func (t *Table) Add(c Candidate, now time.Time) bool {
	if c.SeenAt.IsZero() || c.SeenAt.After(now) {
		c.SeenAt = now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(sourceOrder, c.Source) || (!c.Till.IsZero() && c.Till == t.self.Till) {
		t.mu.dropped++
		return false
	}
	taken := false
	for _, a := range c.Addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
			t.mu.dropped++
			continue
		}
		if !t.addLocked(c, a) {
			t.mu.dropped++
			continue
		}
		taken = true
	}
	return taken
}

func (t *Table) addLocked(c Candidate, a netip.AddrPort) bool {
	k := key{till: c.Till}
	if c.Till.IsZero() {
		k.addr = a
	}
	entries := t.mu.sources[c.Source]
	if entries == nil {
		entries = map[key]*entry{}
		t.mu.sources[c.Source] = entries
	}
	e := entries[k]
	if e == nil {
		if len(entries) >= MaxEntries && !t.makeRoomLocked(entries, c.Shop) {
			return false
		}
		e = &entry{addrs: map[netip.AddrPort]time.Time{}}
		entries[k] = e
	}
	if !c.Shop.IsZero() && !t.isOurs(e.shop) {
		e.shop = c.Shop // what somebody said to be ours is not disowned by a later, perhaps forged, claim
	}
	if seen, known := e.addrs[a]; !known && len(e.addrs) >= MaxAddresses {
		oldest, at := oldestAddress(e.addrs)
		if !at.Before(c.SeenAt) {
			return false
		}
		delete(e.addrs, oldest)
	} else if known && seen.After(c.SeenAt) {
		return true
	}
	e.addrs[a] = c.SeenAt
	return true
}

// makeRoomLocked removes one entry of another shop in favour of one of ours. Otherwise who is there stays: a flood of
// new names must not push out tills that were there before it.
func (t *Table) makeRoomLocked(entries map[key]*entry, shop crdt.ShopID) bool {
	if !t.isOurs(shop) {
		return false
	}
	for k, e := range entries {
		if !t.isOurs(e.shop) {
			delete(entries, k)
			return true
		}
	}
	return false
}

func (t *Table) isOurs(shop crdt.ShopID) bool { return !shop.IsZero() && shop == t.self.Shop }

func oldestAddress(addrs map[netip.AddrPort]time.Time) (oldest netip.AddrPort, at time.Time) {
	for a, seen := range addrs {
		if !oldest.IsValid() || seen.Before(at) || (seen.Equal(at) && a.Compare(oldest) > 0) {
			oldest, at = a, seen
		}
	}
	return oldest, at
}

// Expire forgets the addresses that finders suggest round after round (mdns and manual) and that were not suggested
// for longer than age. Three rounds are a good age. Remembered and gossiped ones stay until [Table.Remove].
func (t *Table) Expire(now time.Time, age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, source := range []string{SourceMDNS, SourceManual} {
		for k, e := range t.mu.sources[source] {
			for a, seen := range e.addrs {
				if seen.After(now) {
					e.addrs[a] = now // the clock was put back; start counting from here
				} else if now.Sub(seen) > age {
					delete(e.addrs, a)
				}
			}
			if len(e.addrs) == 0 {
				delete(t.mu.sources[source], k)
			}
		}
	}
}

// Remove forgets all that one source suggested about a till.
func (t *Table) Remove(source string, till crdt.TillID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.sources[source], key{till: till})
}

// Dropped returns how many candidates or addresses were refused so far.
func (t *Table) Dropped() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.dropped
}

// Peers returns what is suggested: known tills by ID, then unknown ones by address. local holds this machine's
// subnets with its own address in each (see [LocalPrefixes]); addresses in them come first, and an unknown till under
// our own address and port is left out. The caller owns the result.
func (t *Table) Peers(local []netip.Prefix) []Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := map[key]bool{}
	for _, entries := range t.mu.sources {
		for k := range entries {
			keys[k] = true
		}
	}
	out := make([]Peer, 0, len(keys))
	for k := range keys {
		if k.till.IsZero() && t.isOwn(k.addr, local) {
			continue
		}
		out = append(out, t.peerLocked(k, local))
	}
	slices.SortFunc(out, comparePeers)
	return out
}

// Addrs returns the addresses suggested for a till, ordered as in [Table.Peers]; none if nobody suggested any.
func (t *Table) Addrs(till crdt.TillID, local []netip.Prefix) []netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.peerLocked(key{till: till}, local).Addrs
}

func comparePeers(a, b Peer) int {
	switch {
	case a.Till != b.Till && a.Till.IsZero():
		return 1
	case a.Till != b.Till && b.Till.IsZero():
		return -1
	case a.Till != b.Till:
		return slices.Compare(a.Till[:], b.Till[:])
	}
	return slices.CompareFunc(a.Addrs, b.Addrs, netip.AddrPort.Compare)
}

func (t *Table) isOwn(a netip.AddrPort, local []netip.Prefix) bool {
	if a.Port() != t.self.Port {
		return false
	}
	own := func(p netip.Prefix) bool { return p.Addr() == a.Addr().WithZone("") }
	return slices.Contains(t.self.Addrs, a.Addr()) || slices.ContainsFunc(local, own)
}

// suggested is one address with what is needed to order it.
type suggested struct {
	addr netip.AddrPort
	seen time.Time
}

func (t *Table) peerLocked(k key, local []netip.Prefix) Peer {
	p := Peer{Till: k.till}
	var lists [][]suggested
	for _, source := range sourceOrder {
		e := t.mu.sources[source][k]
		if e == nil {
			continue
		}
		p.Sources = append(p.Sources, source)
		if p.Shop.IsZero() || t.isOurs(e.shop) {
			p.Shop = e.shop
		}
		var list []suggested
		for a, seen := range e.addrs {
			list = append(list, suggested{a, seen})
			if seen.After(p.SeenAt) {
				p.SeenAt = seen
			}
		}
		slices.SortFunc(list, bySubnetThenAge(local))
		lists = append(lists, list)
	}
	// Within a subnet the turns stay: addresses that somebody made up are always the newest.
	merged := takeTurns(lists)
	slices.SortStableFunc(merged, bySubnet(local))
	for _, s := range merged {
		p.Addrs = append(p.Addrs, s.addr)
	}
	return p
}

// takeTurns takes the best of each list, then the second of each, until MaxAddresses different ones are taken: however
// many addresses one source made up, the others keep their share.
func takeTurns(lists [][]suggested) []suggested {
	var out []suggested
	at := map[netip.AddrPort]int{}
	for round := 0; round < MaxAddresses; round++ {
		for _, list := range lists {
			if round >= len(list) {
				continue
			}
			s := list[round]
			if i, known := at[s.addr]; known {
				if s.seen.After(out[i].seen) {
					out[i].seen = s.seen
				}
				continue
			}
			if len(out) < MaxAddresses {
				at[s.addr] = len(out)
				out = append(out, s)
			}
		}
	}
	return out
}

// bySubnet orders addresses in this machine's own subnets first, those of other networks last.
func bySubnet(local []netip.Prefix) func(a, b suggested) int {
	rank := func(a netip.Addr) int {
		if a.IsLinkLocalUnicast() {
			return 1 // every link has these subnets, so being in one says nothing
		}
		for _, p := range local {
			if p.Contains(a) {
				return 0
			}
		}
		return 2
	}
	return func(a, b suggested) int { return cmp.Compare(rank(a.addr.Addr()), rank(b.addr.Addr())) }
}

func bySubnetThenAge(local []netip.Prefix) func(a, b suggested) int {
	subnet := bySubnet(local)
	return func(a, b suggested) int {
		return cmp.Or(subnet(a, b), b.seen.Compare(a.seen), a.addr.Compare(b.addr))
	}
}
