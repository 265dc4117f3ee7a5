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
	"github.com/tillmesh/tillmesh/node/disk"
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
	Alarms     []Alarm       // the latest first
	Again      bool          // what a sealed lineage wrote is still to be said again
	Removed    *Removal      // this till left the shop, nil if it did not
	Told       []ToldRemoved // which tills say that it did, while it has not heard of it itself
	FreeBytes  uint64        // on the disk of the data directory
	Disk       *disk.Report  // nil: not watched
	Clock      ClockReport
	Diagnosis  Diagnosis // what the doctor found last
	OpenTabs   int
	Receipts   uint64 // of all tills, as many as their highest numbers here say
	LastNumber string // of this till's series, empty if none yet
	NextNumber string
	Risk       Risk // what would be lost if this till vanished now
	Terminal   TerminalState
	Signing    SigningStatus
	Prints     PrintCounts
	Cloud      *CloudBrief // nil: the shop is coupled with none
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
	state := t.replicator.State()
	s := Status{
		Program: t.version, ShopID: t.id.Shop, ShopName: settings.Shop.Name, Till: t.id.Till, Replica: t.id.Replica,
		Since: t.began, StateHash: hex.EncodeToString(state.Hash[:]), Scopes: state.Scopes, Waiting: state.Waiting, Doubt: state.Doubt,
		OpenTabs: t.book.Len(), NextNumber: number(t.series.Prefix(), t.series.Head().Number+1), Prefix: t.id.Prefix,
	}
	if n := t.series.Head().Number; n > 0 {
		s.LastNumber = number(t.series.Prefix(), n)
	}
	s.Name = t.roster.name(t.id.Till)
	s.Alarms, s.Again = t.Alarms(), t.again.Load()
	s.Clock, s.Diagnosis = t.ClockReport(), t.Diagnosis()
	if r, ok := t.Removed(); ok {
		s.Removed = &r
	}
	s.Told = t.ToldRemoved()
	for _, key := range t.allSeries() {
		last, err := t.lastNumber(ctx, key)
		if err != nil {
			return s, err
		}
		s.Receipts += last
	}
	if s.Disk = t.room.report(); s.Disk != nil {
		s.FreeBytes = s.Disk.Free
	}
	s.Cloud = t.cloudBrief()
	s.Risk, s.Terminal, s.Signing = t.OwnRisk(), t.TerminalState(), t.signingStatus()
	if s.Prints, err = t.PrintCounts(ctx); err != nil {
		return s, err
	}
	s.Equal = true
	for _, p := range t.peers(state, t.network.View()) {
		if p.Self || p.State != shop.Active.String() {
			continue
		}
		s.Peers = append(s.Peers, p)
		s.Equal = s.Equal && p.Equal && !p.Pulling
	}
	return s, nil
}

// peers puts together what the roster, the links and the network say about the tills of the shop.
func (t *Till) peers(state engine.State, v NetworkView) []PeerStatus {
	links := make(map[crdt.TillID]replication.LinkState)
	for _, l := range state.Links {
		if l.Ready {
			links[l.Till] = l
		}
	}
	var out []PeerStatus
	for _, till := range t.roster.tills() {
		reach := v.Reach[till.ID]
		p := PeerStatus{Till: till.ID, Name: or(till.Name, till.Prefix), Prefix: till.Prefix, State: till.State.String(), Self: till.ID == t.id.Till,
			Address: reach.Link, Alive: reach.Alive, Addresses: reach.Addresses}
		if l, ok := links[till.ID]; ok {
			p.Linked, p.Equal, p.Program, p.EqualAt, p.Pulling = true, l.Equal, l.Program, l.EqualAt, l.Pulling
		}
		if p.Linked || p.Alive {
			p.Seen = t.env.Now()
		}
		if p.Self {
			p.Alive, p.Addresses, p.Program = true, v.Own, t.version
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return out
}

// Mesh returns how this till sees the others.
func (t *Till) Mesh() MeshView {
	state, network := t.replicator.State(), t.network.View()
	v := MeshView{
		Tills: t.peers(state, network), Links: network.Links, Gossip: network.Gossip, MDNS: network.MDNS, Own: network.Own,
		Replication: state.Stats,
	}
	for _, p := range t.roster.problems() {
		v.Problems = append(v.Problems, p.Text)
	}
	v.Problems = append(v.Problems, network.Problems...)
	return v
}

// OwnAddresses returns where other tills can reach this one, for people who type them in.
func (t *Till) OwnAddresses() []string { return t.network.View().Own }

// Events returns what changed, as it changes.
func (t *Till) Events() *Events { return t.events }

// Counters returns the counters of this till.
func (t *Till) Counters() *Counters { return &t.stats }
