package node

import (
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/badger"
)

// dropOrphans removes tables that the store did not know when it was opened, once every row was read and nothing is missing: they
// were left over from a crash.
func (m *Machine) dropOrphans() {
	dir := badger.OrphanDir(filepath.Join(m.o.Data, dirStore))
	if _, err := os.Lstat(dir); err != nil {
		return
	}
	state := m.engine.State()
	read := make(map[string]bool)
	for _, a := range state.Audits {
		if a.Till.IsZero() && a.Outcome == replication.AuditEqual {
			read[a.Scope.String()] = true
		}
	}
	for _, s := range state.Scopes {
		if !read[s.Scope.String()] {
			return
		}
	}
	if len(state.Damaged) > 0 || len(state.Scopes) == 0 {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		m.log.Warn("tables that nobody needs were not removed", "error", err)
	}
}
