package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// maxOrphans bounds the files that are set aside.
const maxOrphans = 256

// OrphanDir is where Open sets aside the tables in dir that its MANIFEST does not name, because Badger deletes them. They
// are left over from a crash, or the MANIFEST lost its end and they are rows. Nobody but the caller removes them: when it
// knows that the store lacks nothing.
func OrphanDir(dir string) string { return clean(dir) + ".orphans" }

func clean(dir string) string { return strings.TrimRight(dir, string(filepath.Separator)) }

// keepOrphans links the tables that Badger is about to delete into OrphanDir.
func keepOrphans(o Options) error {
	manifest, err := os.Open(filepath.Join(o.Dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for tables without a name: %w", err)
	}
	named, _, err := badger.ReplayManifestFile(manifest, 0, badgerOptions(o))
	if closed := manifest.Close(); err != nil || closed != nil {
		return closed // Badger says what is wrong with it, and deletes nothing
	}
	tables, err := filepath.Glob(filepath.Join(o.Dir, "*.sst"))
	if err != nil {
		return fmt.Errorf("look for tables without a name: %w", err)
	}
	for _, path := range tables {
		var id uint64
		if _, err := fmt.Sscanf(filepath.Base(path), "%d.sst", &id); err != nil {
			continue
		}
		if _, known := named.Tables[id]; known {
			continue
		}
		if err := keepOrphan(o, path); err != nil {
			return fmt.Errorf("set %s aside: %w", filepath.Base(path), datadir.MapFull(err))
		}
	}
	return nil
}

// keepOrphan links one table under a name that is free.
func keepOrphan(o Options, path string) error {
	dir := OrphanDir(o.Dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for n := range maxOrphans {
		name := filepath.Join(dir, fmt.Sprintf("%03d-%s", n, filepath.Base(path)))
		err := os.Link(path, name)
		switch {
		case err == nil:
			if o.Log != nil {
				o.Log.Warn("a table that the store does not know was set aside", "file", name)
			}
			return datadir.SyncDir(dir)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
		if same(path, name) {
			return nil
		}
	}
	return nil
}

func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// Attempts returns how often in a row opening the store in dir did not come to an end, without opening it: damaged files
// can take the process down while Badger opens them. After two, do not open it again: MoveAside, begin a new store, and
// salvage what is left of the old one with a Rescue.
func Attempts(dir string) (int, error) { return datadir.Attempts(dir) }

// MoveAside renames the directory of a damaged store, and what was set aside of it, so that a new store can begin in its
// place. It returns the new name, which has a free number at its end. The store must not be open.
func MoveAside(dir string) (aside string, err error) {
	for n := 1; ; n++ {
		aside = fmt.Sprintf("%s.damaged-%d", clean(dir), n)
		_, err := os.Lstat(aside)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("move the damaged store in %s aside: %w", dir, err)
		}
	}
	// The orphans first: if the power goes in between, the store is still in its place, and its orphans are found by name.
	err = os.Rename(OrphanDir(dir), OrphanDir(aside))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(dir, aside)
	}
	if err == nil {
		err = datadir.SyncDir(filepath.Dir(clean(dir)))
	}
	if err != nil {
		return "", fmt.Errorf("move the damaged store in %s aside: %w", dir, err)
	}
	return aside, nil
}
