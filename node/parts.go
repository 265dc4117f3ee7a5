package node

import (
	"context"
	"crypto/ed25519"
	"log/slog"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/node/verify"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Parts are what a till stands on. [Open] makes them from a data directory, the simulator from its own world.
type Parts struct {
	Identity Identity
	Key      ed25519.PrivateKey // of the device
	Token    string             // what the HTTP API asks for
	Boot     uint32             // number of this start, taken from the store
	Version  string             // of the program
	Store    *store.Guard       // opened and checked
	Disk     *disk.Keeper       // watches the disk of the store; nil: nobody does
	Founder  ed25519.PrivateKey // the founder secret, nil: this till does not have it
	// GossipKeys are those to begin with, empty: the shop key alone. KeepKeys makes others durable and uses them, called
	// after Connect; nil: they are kept in memory.
	GossipKeys mesh.GossipKeys
	KeepKeys   func(mesh.GossipKeys) error
	// Handing is why this till sells nothing and only hands over what it has; empty: it sells.
	Handing string
	// Terminal is the card terminal of this till, nil: it has none. AttendTerminal must run.
	Terminal terminal.Terminal
	// Signers makes the signing device of this till, nil: it has none. SignOrders must run.
	Signers Signers
	// DeviceKeys are those of signature units by series, for the proof; nil: none is known.
	DeviceKeys func(verify.Series) (rksv.Keys, bool)
	Log        *slog.Logger // nil: nothing is logged
	Environment
}

// Replicator makes own changes durable and carries changes to and from the other tills. [engine.Engine] is one. It calls
// Applied, Asked, Notify and Roster of the till.
type Replicator interface {
	// Submit queues an own change and returns a function that waits until it is durable; see [engine.Engine.Submit].
	Submit(l replication.Local) (wait func(context.Context) (*crdt.Commit, error), err error)
	// Ask asks a linked till; its errors wrap [engine.ErrNotLinked] and [engine.ErrRefused].
	Ask(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error)
	// State returns links and scopes as they are.
	State() engine.State
	// Holders returns the other tills known to hold a commit durably.
	Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID
	// Unheld returns the own commits of a scope that no other till is known to hold.
	Unheld(scope crdt.Scope) crdt.Context
	// TakeOver makes commits durable that came by no link; see [engine.Engine.TakeOver].
	TakeOver(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error
}

// Network is what a till has to know of the way to the other tills. Its methods do not block.
type Network interface {
	// RosterChanged tells that somebody joined or left the shop.
	RosterChanged()
	// View returns how the network looks now.
	View() NetworkView
}

// NetworkView is how a till sees the network.
type NetworkView struct {
	Own      []string              // addresses of this till, "ip:port"
	LinkPort uint16                // where it takes links, as others see it
	Reach    map[crdt.TillID]Reach // how other tills are reached, as far as that is known
	Links    mesh.LinkStats
	Gossip   mesh.GossipState
	MDNS     *mdns.Stats // nil: switched off
	Problems []string    // such as names given with --peer that lead nowhere
}

// Reach is how a till is reached.
type Reach struct {
	Link      string   // address of the link, empty if there is none
	Addresses []string // where it may be, the best first
	Alive     bool     // the group says so
}

// Assemble makes a till from its parts and loads what it keeps in memory. Connect must be called before anything else.
func Assemble(ctx context.Context, p Parts) (*Till, error) {
	p.Environment = p.Environment.orReal()
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	t := &Till{
		log: p.Log, id: p.Identity, key: p.Key, token: p.Token, boot: p.Boot, version: p.Version, store: p.Store, room: room{p.Disk},
		env: p.Environment, clock: &businessClock{wall: p.Now}, began: p.Now(),
		invites: pairing.NewInvitations(p.Random, p.Now), keys: gossipKeys{keep: p.KeepKeys, set: p.GossipKeys},
	}
	t.deviceKeys = p.DeviceKeys
	t.gate, t.founder = backup.NewGate(t.Witness()), p.Founder
	t.requests = pairing.NewRequests(p.Key, p.Random, p.Now, func() { t.events.post(Event{What: "pairing"}) })
	if t.keys.set.IsZero() {
		var err error
		if t.keys.set, err = firstKeys(p.Identity.ShopKey); err != nil {
			return nil, err
		}
	}
	t.doctor = newDoctor(t)
	t.handing, t.cards = p.Handing, newCards(p.Terminal)
	t.signing.make, t.signing.orders.wake = p.Signers, make(chan struct{}, 1)
	if err := t.loadClock(ctx); err != nil {
		return nil, err
	}
	if err := t.loadAlarms(ctx); err != nil {
		return nil, err
	}
	if err := t.loadTold(ctx); err != nil {
		return nil, err
	}
	return t, t.loadViews(ctx)
}

// Connect gives the till what carries its changes and what it knows of the network. It is called once, before the till
// is asked for anything.
func (t *Till) Connect(r Replicator, n Network) { t.replicator, t.network = r, n }
