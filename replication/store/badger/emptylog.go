package badger

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// removeEmptyLogs removes the logs of rows (.mem) and of long values (.vlog) that have no bytes. Badger makes a log empty and
// gives it its size with a second call, and takes the bytes from one that it does not need any more before it removes it. If
// the program ends in between, Badger v4.9.6 refuses to open the store, with "Create a new file".
//
// A log that damage emptied looks the same; whether rows are missing is judged after every open anyway.
func removeEmptyLogs(o Options) error {
	removed := false
	for _, kind := range []string{"*.mem", "*.vlog"} {
		logs, err := filepath.Glob(filepath.Join(o.Dir, kind))
		if err != nil {
			return fmt.Errorf("look for empty logs: %w", err)
		}
		for _, path := range logs {
			info, err := os.Lstat(path)
			if err != nil {
				return fmt.Errorf("look for empty logs: %w", err)
			}
			if info.Size() > 0 || !info.Mode().IsRegular() {
				continue
			}
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove an empty log: %w", err)
			}
			removed = true
			if o.Log != nil {
				o.Log.Info("a log of the store that was begun and never written, or no longer needed, was removed", "file", path)
			}
		}
	}
	if !removed {
		return nil
	}
	return datadir.SyncDir(o.Dir)
}
