package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// outside is what a machine keeps beside the store and outside of the data directory.
type outside struct {
	m       *Machine
	record  string // path
	binding lineage.BindingFile
}

func (m *Machine) outside(id Identity) outside {
	return outside{m, filepath.Join(m.o.Data, fileHighWater), lineage.NewBindingFile(m.o.StateDir, id.Shop, id.Till)}
}

// Write is a method of store.RecordFile. Where there is no record, or none that can be read, it makes one.
func (o outside) Write(payload []byte) (err error) {
	if o.m.water != nil {
		return o.m.water.Write(payload)
	}
	if err := os.Remove(o.record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the damaged high-water record: %w", err)
	}
	o.m.water, err = highwater.Create(o.record, payload)
	return err
}

// WriteRecord is a method of lineage.Outside.
func (o outside) WriteRecord(rec store.Record) error { return o.Write(rec.Encode()) }

// WriteBinding is a method of lineage.Outside.
func (o outside) WriteBinding(b lineage.Binding) error { return noState(o.binding.Write(b)) }

// evidence returns what is found beside and outside of the store; the record stays open. Errors are those that no new
// lineage would mend: a newer program wrote it, or the system does not let it be read.
func (o outside) evidence() (e lineage.Evidence, err error) {
	if e.Machine, e.Place, err = lineage.Here(o.m.o.Data); err != nil {
		return e, err
	}
	water, payload, err := highwater.Open(o.record)
	if err == nil {
		o.m.water = water
		if e.Record.Record, err = store.DecodeRecord(payload); err != nil && !errors.Is(err, crdt.ErrVersion) {
			e.Record = lineage.RecordFound{Condition: lineage.Damaged, Detail: err.Error()}
			err = nil
		}
	}
	switch {
	case errors.Is(err, highwater.ErrMissing):
		e.Record = lineage.RecordFound{Condition: lineage.Missing, Detail: err.Error()}
	case errors.Is(err, highwater.ErrDamaged):
		e.Record = lineage.RecordFound{Condition: lineage.Damaged, Detail: err.Error()}
	case errors.Is(err, rows.ErrNewerFormat), errors.Is(err, crdt.ErrVersion):
		return e, hint(err, "run the newer program; nothing was changed")
	case err != nil:
		return e, err
	}
	e.Binding.Binding, err = o.binding.Read()
	switch {
	case errors.Is(err, lineage.ErrMissing):
		e.Binding = lineage.BindingFound{Condition: lineage.Missing, Detail: err.Error()}
	case errors.Is(err, lineage.ErrDamaged):
		e.Binding = lineage.BindingFound{Condition: lineage.Damaged, Detail: err.Error()}
	case errors.Is(err, crdt.ErrVersion):
		return e, hint(err, "run the newer program; nothing was changed")
	case err != nil:
		return e, noState(err)
	}
	return e, nil
}
