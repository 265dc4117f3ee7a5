package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// errExists: files are never written over.
var errExists = errors.New("there is a file of this name already")

// saveFile writes a file that does not exist yet. check reads it back from the disk before it takes its name. Only its owner may read it.
// After an error nothing of it is left.
func saveFile(path string, write func(io.Writer) error, check func(f *os.File, size int64) error) (err error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); err == nil {
		return &advice{fmt.Errorf("%s: %w", path, errExists), "choose another name; nothing was written over"}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	defer func() {
		if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &advice{fmt.Errorf("there is no room for %s: %w", path, err), "make room, or choose another disk; nothing was left there"}
	} else if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := readFile(f.Name(), check); err != nil {
		return &advice{fmt.Errorf("read %s back: %w", path, err), "write it to another disk; this one gives back other bytes than it got"}
	}
	if err := publish(f.Name(), path); err != nil {
		return fmt.Errorf("name %s: %w", path, err)
	}
	return nil
}

// publish gives a finished file its name, and does not take the name from another one. A link cannot; where a file system has none
// (most sticks), the name is looked for right before.
func publish(part, path string) error {
	err := os.Link(part, path)
	if errors.Is(err, fs.ErrExist) {
		return errExists
	}
	if err != nil {
		if _, err := os.Lstat(path); err == nil {
			return errExists
		}
		if err := os.Rename(part, path); err != nil {
			return err
		}
	}
	return datadir.SyncDir(filepath.Dir(path))
}

// readFile opens a file for reading.
func readFile(path string, read func(f *os.File, size int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file", path)
	default:
		err = read(f, info.Size())
	}
	return errors.Join(err, f.Close())
}
