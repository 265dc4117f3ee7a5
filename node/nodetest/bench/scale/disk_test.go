//go:build bench

package scale

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// diskSize returns what the files below a directory take on the disk.
func diskSize(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the engine removed it meanwhile
		}
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += s.Blocks * 512
		}
		return nil
	})
	return bytes, err
}

// tables returns how many tables a store has.
func tables(dir string) (n int, err error) {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if filepath.Ext(e.Name()) == ".sst" {
			n++
		}
	}
	return n, err
}
