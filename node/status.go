package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// Status is how a till is doing.
type Status struct {
	Program    string
	ShopID     crdt.ShopID
	ShopName   string
	Till       crdt.TillID
	Name       string
	Prefix     string
	Replica    crdt.ReplicaID
	Since      time.Time
	Peers      []PeerStatus
	Equal      bool // every other active till is linked and known to hold the same
	StateHash  string
	Scopes     []engine.ScopeState
	Waiting    int // bytes that wait for the disk
	Doubt      string
	FreeBytes  uint64 // on the disk of the data directory
	OpenTabs   int
	Receipts   uint64 // of all tills, as many as their highest numbers here say
	LastNumber string // of this till's series, empty if none yet
	NextNumber string
}

// MeshView is how a till sees the others.
type MeshView struct {
	Tills       []PeerStatus
	Links       mesh.LinkStats
	Gossip      mesh.GossipState
	MDNS        *mdns.Stats // nil: switched off
	Own         []string    // addresses of this till
	Problems    []string    // of the roster and of names given with --peer
	Replication replication.Stats
}

// Status returns how the till is doing.
func (t *Till) Status(ctx context.Context) (Status, error) {
	settings, err := t.Settings(ctx)
	if err != nil {
		return Status{}, err
	}
	state := t.engine.State()
	s := Status{
		Program: t.o.Version, ShopID: t.id.Shop, ShopName: settings.Shop.Name, Till: t.id.Till, Replica: t.id.Replica,
		Since: t.began, StateHash: hex.EncodeToString(state.Hash[:]), Scopes: state.Scopes, Waiting: state.Waiting, Doubt: state.Doubt,
		OpenTabs: t.book.Len(), NextNumber: number(t.series.Prefix(), t.series.Head().Number+1), Prefix: t.id.Prefix,
	}
	if n := t.series.Head().Number; n > 0 {
		s.LastNumber = number(t.series.Prefix(), n)
	}
	s.Name = t.roster.name(t.id.Till)
	for _, key := range t.allSeries() {
		last, err := t.lastNumber(ctx, key)
		if err != nil {
			return s, err
		}
		s.Receipts += last
	}
	s.FreeBytes, err = freeBytes(t.o.Data)
	if err != nil {
		t.log.Warn("free space is not known", "error", err)
	}
	s.Equal = true
	for _, p := range t.peers(state) {
		if p.Self || p.State != shop.Active.String() {
			continue
		}
		s.Peers = append(s.Peers, p)
		s.Equal = s.Equal && p.Equal && !p.Pulling
	}
	return s, nil
}

// peers puts together what roster, links, gossip and addresses say about the tills of the shop.
func (t *Till) peers(state engine.State) []PeerStatus {
	links := make(map[crdt.TillID]replication.LinkState)
	for _, l := range state.Links {
		if l.Ready {
			links[l.Till] = l
		}
	}
	conns := make(map[crdt.TillID]*mesh.Link)
	for _, l := range t.links.All() {
		conns[l.Peer()] = l
	}
	alive := make(map[crdt.TillID]mesh.Member)
	for _, m := range t.gossip.Members() {
		alive[m.Till] = m
	}
	local := t.localPrefixes()
	var out []PeerStatus
	for _, till := range t.roster.tills() {
		p := PeerStatus{Till: till.ID, Name: or(till.Name, till.Prefix), Prefix: till.Prefix, State: till.State.String(), Self: till.ID == t.id.Till}
		if l, ok := links[till.ID]; ok {
			p.Linked, p.Equal, p.Program, p.EqualAt, p.Pulling, p.Seen = true, l.Equal, l.Program, l.EqualAt, l.Pulling, time.Now()
		}
		if c := conns[till.ID]; c != nil {
			p.Address = c.RemoteAddr().String()
		}
		if _, ok := alive[till.ID]; ok {
			p.Alive, p.Seen = true, time.Now()
		}
		for _, a := range t.table.Addrs(till.ID, local) {
			p.Addresses = append(p.Addresses, a.String())
		}
		if p.Self {
			p.Alive, p.Addresses, p.Program = true, t.OwnAddresses(), t.o.Version
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return out
}

// Mesh returns how this till sees the others.
func (t *Till) Mesh() MeshView {
	state := t.engine.State()
	v := MeshView{
		Tills: t.peers(state), Links: t.links.Stats(), Gossip: t.gossip.State(), Own: t.OwnAddresses(), Replication: state.Stats,
	}
	if t.mdns != nil {
		s := t.mdns.Stats()
		v.MDNS = &s
	}
	for _, p := range t.roster.problems() {
		v.Problems = append(v.Problems, p.Text)
	}
	for _, err := range t.static.Problems() {
		v.Problems = append(v.Problems, err.Error())
	}
	return v
}

// Events returns what changed, as it changes.
func (t *Till) Events() *Events { return t.events }

// Counters returns the counters of this till.
func (t *Till) Counters() *Counters { return &t.stats }
