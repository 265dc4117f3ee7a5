package lineage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// ErrMissing means that there is no binding for this till on this machine.
var ErrMissing = errors.New("missing")

// BindingFile is where the binding of one till rests: a file in a state directory, named after shop and till.
type BindingFile struct{ path string }

// NewBindingFile names the file; nothing is touched. Several tills may share a state directory.
func NewBindingFile(stateDir string, shop crdt.ShopID, till crdt.TillID) BindingFile {
	return BindingFile{filepath.Join(stateDir, shop.String()+"-"+till.String()+".binding")}
}

// Path returns where the file is, for messages.
func (f BindingFile) Path() string { return f.path }

// Read returns the binding. Errors wrap [ErrMissing], [ErrDamaged], [crdt.ErrVersion], or say why the system did not let
// it be read.
func (f BindingFile) Read() (Binding, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Binding{}, fmt.Errorf("binding %s: %w", f.path, ErrMissing)
	}
	if err != nil {
		return Binding{}, fmt.Errorf("read binding: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(file, MaxBinding+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return Binding{}, fmt.Errorf("read binding: %w", err)
	}
	b, err := DecodeBinding(raw)
	if err != nil {
		return Binding{}, fmt.Errorf("%s: %w", f.path, err)
	}
	return b, nil
}

// Write replaces the binding; the new one is durable when it returns nil. A crash leaves the old one or the new one.
// The state directory is made if it is not there.
func (f BindingFile) Write(b Binding) error {
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	if err := f.replace(raw); err != nil {
		return fmt.Errorf("write binding %s: %w", f.path, datadir.MapFull(err))
	}
	return nil
}

func (f BindingFile) replace(raw []byte) error {
	dir := filepath.Dir(f.path)
	if err := makeDir(dir); err != nil {
		return err
	}
	fresh := f.path + ".new"
	file, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, f.path); err != nil {
		return err
	}
	return datadir.SyncDir(dir)
}

// makeDir makes a directory and those above it, and makes their names durable.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return datadir.SyncDir(parent)
}

// Remove forgets the binding, when the till leaves this machine for good. One that is missing is no error.
func (f BindingFile) Remove() error {
	err := os.Remove(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove binding: %w", err)
	}
	return datadir.SyncDir(filepath.Dir(f.path))
}
