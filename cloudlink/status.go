package cloudlink

import (
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// Status is what a till shows of the cloud.
type Status struct {
	State State
	Since time.Time // since when State and Cause are so
	Cause Cause     // if State is Stuck; if it is Waiting, why this till could not forward itself
	Text  string    // what the cloud said about the cause, or the sentence of it
	Err   error     // what exactly happened last; nil: nothing did
	// CloudSince is since when the cloud says that the cause is so; zero: it does not say.
	CloudSince time.Time

	Uplink   crdt.TillID       // which till forwards; zero: not decided
	Detector election.Detector // why the one before does not any more
	Before   crdt.TillID       // the one before

	Connected bool
	Session   uint64
	Term      uint64      // of the lease that this till holds; 0: it holds none
	Holder    crdt.TillID // who holds it, as the cloud or the tills say
	Seen      time.Time   // when the cloud answered last; zero: never
	Attempts  int         // calls in a row that failed
	Next      time.Time   // when the cloud is called again; zero: not planned

	Progress Progress
	Complete time.Time // when the cloud last had everything this till has; zero: never
}

// Progress is how far the cloud is, by class. Numbers are records.
type Progress struct {
	Classes []lease.Class // at most 32, in the order to show them
}

// Sum returns how many records arrived, of how many.
func (p Progress) Sum() (done, total uint64) {
	for _, c := range p.Classes {
		done, total = done+c.Done, total+c.Total
	}
	return done, total
}

// Pending returns how many records the cloud lacks.
func (p Progress) Pending() (n uint64) {
	for _, c := range p.Classes {
		n += c.Pending
	}
	return n
}

func (p Progress) equal(o Progress) bool {
	if len(p.Classes) != len(o.Classes) {
		return false
	}
	for i := range p.Classes {
		if p.Classes[i] != o.Classes[i] {
			return false
		}
	}
	return true
}
