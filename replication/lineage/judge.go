package lineage

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Condition says how something kept was found.
type Condition uint8

// The conditions.
const (
	Fine    Condition = iota
	Missing           // not there, or empty
	Damaged           // there, but not what was written
)

// Evidence is what a start found, before anything is written. Only what is in a fine condition is looked into.
type Evidence struct {
	Shop crdt.ShopID // whom the data directory and its device key belong to
	Till crdt.TillID

	Store   StoreFound
	Record  RecordFound
	Binding BindingFound
	Machine Machine // see [Here]
	Place   Place

	// Created: this process made the store just now, under this place, and nobody can have copied it yet.
	Created bool
	// Reported are doubts that came up while the till ran under this lineage; see [ReadReported].
	Reported []Doubt
}

// StoreFound is what the start found of the store.
type StoreFound struct {
	Condition Condition
	Detail    string // what was wrong with it
	Identity  store.Identity
	Boot      uint32 // of its last start, as far as it knows; see [LastBoot]
	Chain     error  // what [CheckChain] said
}

// RecordFound is what the start found of the high-water record.
type RecordFound struct {
	Condition Condition
	Detail    string
	Record    store.Record
	Ahead     error // what store.Check said of it, nil if the store has it all
}

// BindingFound is what the start found of the binding.
type BindingFound struct {
	Condition Condition
	Detail    string
	Binding   Binding
}

// Judge returns every reason to doubt, in the order of the kinds. None means that the till may write under the
// replica ID of its store; it then writes the record and the binding anew, as at every start.
//
// What happens next is the same whatever the number of reasons: see [Renewable] and [Renew].
func Judge(e Evidence) []Doubt {
	if e.Store.Condition == Fine && (e.Store.Identity.Shop != e.Shop || e.Store.Identity.Till != e.Till) {
		return []Doubt{New(StoreForeign, "it is of till %s in shop %v, the key is of till %s in shop %v",
			e.Store.Identity.Till.Short(), e.Store.Identity.Shop, e.Till.Short(), e.Shop)}
	}
	var found []Doubt
	found = append(found, e.store()...)
	// A renewal that was cut off behind its one transaction left a record that is not of this lineage, and nothing else.
	if !e.announced() {
		found = append(found, e.record()...)
	}
	if !e.Created {
		found = append(found, e.binding()...)
	}
	return append(found, e.Reported...)
}

func (e *Evidence) store() []Doubt {
	switch e.Store.Condition {
	case Missing:
		return []Doubt{New(StoreMissing, "%s", e.Store.Detail)}
	case Damaged:
		return []Doubt{New(StoreDamaged, "%s", e.Store.Detail)}
	}
	if e.Store.Chain != nil {
		return []Doubt{New(ChainBroken, "%v", e.Store.Chain)}
	}
	return nil
}

// begunHere reports whether the binding says that a lineage was begun here that the store does not have: the till was
// interrupted before its one transaction.
func (e *Evidence) begunHere() bool {
	b := e.Binding.Binding
	return e.Binding.Condition == Fine && b.Begun && b.Replica != e.Store.Identity.Replica && b.Machine == e.Machine && b.Place.Equal(e.Place)
}

// announced reports whether the binding says that this very lineage was begun here, and the store has it.
func (e *Evidence) announced() bool {
	b := e.Binding.Binding
	return e.Binding.Condition == Fine && e.Store.Condition == Fine && b.Begun && b.Replica == e.Store.Identity.Replica &&
		b.Machine == e.Machine && b.Place.Equal(e.Place) && b.Boot <= e.Store.Boot
}

func (e *Evidence) record() []Doubt {
	switch e.Record.Condition {
	case Missing:
		return []Doubt{New(RecordMissing, "%s", e.Record.Detail)}
	case Damaged:
		return []Doubt{New(RecordDamaged, "%s", e.Record.Detail)}
	}
	if e.Store.Condition != Fine {
		return nil // nothing to compare it with
	}
	rec := e.Record.Record
	switch {
	case rec.Replica != e.Store.Identity.Replica:
		return []Doubt{New(RecordForeign, "it is of lineage %v, the store of %v", rec.Replica, e.Store.Identity.Replica)}
	case rec.Boot > e.Store.Boot:
		return []Doubt{New(RecordAhead, "it knows start %d, the store ends at %d", rec.Boot, e.Store.Boot)}
	case e.Record.Ahead != nil:
		return []Doubt{New(RecordAhead, "%v", e.Record.Ahead)}
	}
	return nil
}

func (e *Evidence) binding() (found []Doubt) {
	switch e.Binding.Condition {
	case Missing:
		return []Doubt{New(BindingMissing, "%s", e.Binding.Detail)}
	case Damaged:
		return []Doubt{New(BindingDamaged, "%s", e.Binding.Detail)}
	}
	b := e.Binding.Binding
	if b.Machine != e.Machine {
		found = append(found, New(OtherMachine, "the machine has another ID than the one it was used on"))
	}
	if !b.Place.Equal(e.Place) {
		found = append(found, New(OtherPlace, "it was in %s (%x), it is in %s (%x)", b.Place.Path, b.Place.Node, e.Place.Path, e.Place.Node))
	}
	if e.Store.Condition != Fine {
		return found
	}
	switch {
	case e.begunHere():
		found = append(found, New(Interrupted, "lineage %v was begun here", b.Replica))
	case b.Replica != e.Store.Identity.Replica:
		found = append(found, New(OtherReplica, "lineage %v was used here, the store is of %v", b.Replica, e.Store.Identity.Replica))
	case b.Boot > e.Store.Boot:
		found = append(found, New(NewerBoot, "start %d was here, the store ends at %d", b.Boot, e.Store.Boot))
	}
	return found
}
