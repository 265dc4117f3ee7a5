package badger_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// A table whose last key or index is damaged refuses to open; one that cannot be opened for want of a file handle is fine.
func TestATableThatDoesNotInitialiseIsDamaged(t *testing.T) {
	for text, damaged := range map[string]bool{
		`Opening table: "/d/000001.sst" err: failed to initialize table err: failed to initialize biggest for table /d/000001.sst`: true,
		`Opening table: "/d/000001.sst" err: open /d/000001.sst: too many open files`:                                              false,
	} {
		require.Equal(t, damaged, errors.Is(badger.MapOpenError(errors.New(text)), rows.ErrCorrupt), text)
	}
}
