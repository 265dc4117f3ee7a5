package simulation

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Program is what runs on a machine, one value for all its lives. Its methods are called from the world's loop, one at a
// time, and must come back without waiting for anything that only the loop can bring about; they may call every method
// of the world.
type Program interface {
	// Open begins a life: it opens the store on the machine's disk (Machine.Data, see also OpenStore), decides who the
	// till is, and returns both. An error means that the program does not run: Stopped is called with it.
	Open(l *Life) (Opened, error)

	// Started is called when the life has begun: it may propose and ask.
	Started(l *Life)

	// Applied is called with commits that became durable and changed something, in their order, before those who wait
	// for them are answered.
	Applied(l *Life, taken []replication.Taken)

	// Asked is called with a question of another till. answer is to be called once, now or later in this life; ok false
	// refuses, with body as the reason.
	Asked(l *Life, from crdt.TillID, topic string, body []byte, answer func(body []byte, ok bool))

	// Stopped is called when a life is over, with the disks as the next life will find them. why is or wraps ErrStopped,
	// ErrKilled, ErrPowerCut, ErrRefused (Open failed) or replication.ErrStoreFailed, or a *replication.DoubtError. The machine is
	// off then; Machine.StartIn begins the next life.
	Stopped(l *Life, why error)
}

// Store is what a life needs of its store; *store.Store and *store.Guard are one.
type Store interface {
	replication.Store
	Contexts() map[crdt.Scope]crdt.Context
	Digests() map[crdt.Scope]crdt.Digest
	Heads() map[crdt.Scope]replication.Head
	Close() error
}

// Opened is what a program found on its disk.
type Opened struct {
	Shop    crdt.ShopID
	Replica crdt.ReplicaID
	Boot    uint32 // number of this start, durable already
	Store   Store

	// Heads are the last own commits by scope, if they are not all of Store.Heads; nil: they are.
	Heads map[crdt.Scope]replication.Head
	// Roster decides who may push what.
	Roster replication.Roster
	// Allowed reports whether this till takes part in links with another one; asked again whenever commits were applied.
	// nil: with everybody.
	Allowed func(crdt.TillID) bool
	// Elsewhere says that the store is on none of the machine's disks: what it took is durable at once, whatever happens to them.
	Elsewhere bool
	// Unknown reports further errors of the store that leave the outcome of a write unknown and end the life; nil: none.
	Unknown func(error) bool
	// Settle is called when nothing was written for a moment after own changes were; nil: nothing needs it.
	Settle func() error
	// Configure fills in what else the core is to know, such as AuditEvery; nil: nothing.
	Configure func(*replication.Config)
}

// Noticer is a Program that wants to know what its core has to say besides questions, answers and doubts.
type Noticer interface {
	// Noticed is called from the world's loop, like the methods of Program.
	Noticed(l *Life, ev replication.Event)
}
