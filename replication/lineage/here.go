package lineage

import (
	"fmt"
	"path/filepath"
)

// Here returns the machine this process runs on and the place of a data directory that is there. A system that does not
// name its machine gives the zero Machine.
func Here(dataDir string) (Machine, Place, error) {
	path, err := filepath.Abs(dataDir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return Machine{}, Place{}, fmt.Errorf("find the place of %s: %w", dataDir, err)
	}
	node, err := nodeOf(path)
	if err != nil {
		return Machine{}, Place{}, fmt.Errorf("find the place of %s: %w", dataDir, err)
	}
	machine, err := machineHere()
	if err != nil {
		return Machine{}, Place{}, fmt.Errorf("find the name of this machine: %w", err)
	}
	return machine, Place{Path: path, Node: node}, nil
}

// HereAs is [Here] for a directory that is about to be renamed to later, in the same file system. So whoever makes a till
// in a temporary directory can write its binding before the rename, and no crash leaves a till without one.
func HereAs(dataDir, later string) (Machine, Place, error) {
	machine, place, err := Here(dataDir)
	if err != nil {
		return Machine{}, Place{}, err
	}
	path, err := filepath.Abs(later)
	if err != nil {
		return Machine{}, Place{}, fmt.Errorf("find the place of %s: %w", later, err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return Machine{}, Place{}, fmt.Errorf("find the place of %s: %w", later, err)
	}
	place.Path = filepath.Join(parent, filepath.Base(path))
	return machine, place, nil
}
