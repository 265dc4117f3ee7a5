package node

import (
	"os"

	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
)

// home says where a till lives: the data directory it is run on, and where what it knows of its machine is kept.
type home struct{ data, state string }

// stateOf returns the state directory that was named, or that of the system.
func stateOf(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	return DefaultStateDir(os.Getenv, os.Geteuid())
}

// bind writes the first binding of a till that is made in tmp, a directory that will be renamed to the data directory. So no
// crash leaves a till that does not know its machine.
func (h home) bind(tmp string, id Identity, rec store.Record) error {
	state, err := stateOf(h.state)
	if err != nil {
		return err
	}
	machine, place, err := lineage.HereAs(tmp, h.data)
	if err != nil {
		return err
	}
	err = lineage.NewBindingFile(state, id.Shop, id.Till).Write(lineage.Binding{
		Machine: machine, Place: place, Replica: id.Replica, Prefix: id.Prefix, Boot: rec.Boot,
	})
	return noState(err)
}

// noState says what to do if the state directory cannot be used.
func noState(err error) error {
	if err == nil {
		return nil
	}
	return hint(err, "a till keeps a small file about its machine outside of its data directory: name a directory that can be written "+
		"with --state or in the environment variable TILLMESH_STATE")
}
