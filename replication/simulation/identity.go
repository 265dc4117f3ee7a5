package simulation

import (
	"encoding/binary"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Files of a till.
const (
	fileRecord  = "highwater" // beside the store
	fileBinding = "binding"   // on the state disk
)

// found is what a start finds.
type found struct {
	lineage.Evidence
	rows  rows.Store
	store *store.Store
}

func (f *found) close() error {
	if f.rows == nil {
		return nil
	}
	return f.rows.Close()
}

// find looks at everything that says whose store this is, before anything is written. A store that does not open, for the
// reason given, or cannot be read is moved aside; what can be read of it is put into a new one.
func (t *till) find(l *Life, r rows.Store, broken error) (*found, error) {
	f := &found{rows: r, Evidence: lineage.Evidence{
		Shop: t.s.id, Till: t.m.till, Machine: lineage.MachineOf([]byte(t.m.id)), Place: t.place(),
	}}
	err := broken
	if err == nil {
		err = t.findStore(f)
	}
	if err != nil {
		if !t.m.check.damaged {
			return f, err
		}
		t.m.w.Trace("%s cannot read its store: %v", t.m.name, err)
		f.Store = lineage.StoreFound{Condition: lineage.Damaged, Detail: err.Error()}
		if err := t.salvage(l, f); err != nil {
			return f, err
		}
	}
	t.findRecord(f)
	t.findBinding(f)
	return f, nil
}

func (t *till) findStore(f *found) (err error) {
	if f.store, err = store.Open(background, f.rows); err != nil {
		return err
	}
	if f.Store.Identity, err = f.store.Identity(background); err != nil {
		return err
	}
	if f.Store.Boot, err = lineage.LastBoot(background, f.rows); err != nil {
		return err
	}
	replica := f.Store.Identity.Replica
	err = lineage.CheckChain(background, f.store, replica)
	if err != nil && !errors.Is(err, lineage.ErrDoubt) {
		return err
	}
	f.Store.Chain = err
	f.Reported, err = lineage.ReadReported(background, f.store, replica)
	return err
}

// place says where the data disk is mounted.
func (t *till) place() lineage.Place {
	return lineage.Place{Path: "/data", Node: binary.BigEndian.AppendUint64(nil, t.m.node)}
}

func (t *till) findRecord(f *found) {
	raw, there := t.m.File(fileRecord).Read()
	if !there {
		f.Record.Condition = lineage.Missing
		return
	}
	rec, err := store.DecodeRecord(raw)
	if err != nil {
		f.Record.Condition, f.Record.Detail = lineage.Damaged, err.Error()
		return
	}
	f.Record.Record = rec
	if f.Store.Condition == lineage.Fine {
		f.Record.Ahead = f.store.Check(background, rec, f.Store.Identity.Replica)
	}
}

func (t *till) findBinding(f *found) {
	raw, there := t.m.state.ReadFile(fileBinding)
	if !there {
		f.Binding.Condition = lineage.Missing
		return
	}
	b, err := lineage.DecodeBinding(raw)
	if err != nil {
		f.Binding.Condition, f.Binding.Detail = lineage.Damaged, err.Error()
		return
	}
	f.Binding.Binding = b
}

// WriteBinding is a method of lineage.Outside.
func (t *till) WriteBinding(b lineage.Binding) error {
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	return t.m.state.WriteFile(fileBinding, raw)
}

// WriteRecord is a method of lineage.Outside.
func (t *till) WriteRecord(rec store.Record) error { return t.m.File(fileRecord).Write(rec.Encode()) }

// replicaID draws a new one.
func (w *World) replicaID() (id crdt.ReplicaID) {
	binary.BigEndian.PutUint64(id[:], w.rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], w.rand.Uint64())
	return id
}

func (w *World) objectID() (id crdt.ObjectID) { return crdt.ObjectID(w.replicaID()) }
