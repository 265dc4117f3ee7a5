package datadir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

func TestFailedAttemptsAreCountedUntilOneSucceeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	for attempt, want := range []datadir.OpenReport{{New: true}, {FailedBefore: 1}, {FailedBefore: 2}} {
		d, report, err := datadir.Enter(path, "engine", 1)
		require.NoError(t, err)
		require.Equal(t, want, report, "attempt %d", attempt)
		require.NoError(t, d.Leave())
	}
	for _, failed := range []int{3, 0} {
		d, report, err := datadir.Enter(path, "engine", 1)
		require.NoError(t, err)
		require.Equal(t, failed, report.FailedBefore)
		require.NoError(t, d.Opened())
		require.NoError(t, d.Leave())
	}
}

func TestEnterRefuses(t *testing.T) {
	enter := func(t *testing.T, path string, format int) error {
		d, _, err := datadir.Enter(path, "engine", format)
		if err == nil {
			require.NoError(t, d.Leave())
		}
		return err
	}
	t.Run("in use", func(t *testing.T) {
		path := t.TempDir()
		d, _, err := datadir.Enter(path, "engine", 1)
		require.NoError(t, err)
		require.ErrorIs(t, enter(t, path, 1), rows.ErrInUse)
		require.NoError(t, d.Opened())
		require.NoError(t, d.Leave())
		require.NoError(t, enter(t, path, 1))
	})
	t.Run("newer, older is taken", func(t *testing.T) {
		path := t.TempDir()
		require.NoError(t, enter(t, path, 2))
		require.ErrorIs(t, enter(t, path, 1), rows.ErrNewerFormat)
		require.NoError(t, enter(t, path, 3))
	})
	t.Run("something else", func(t *testing.T) {
		for name, content := range map[string]string{
			"letter.txt": "dear", "store.format": "other 1\n",
			"store.format ": "engine 1\n", "MANIFEST": "",
		} {
			path := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte(content), 0o600))
			require.ErrorIs(t, enter(t, path, 1), rows.ErrCorrupt, name)
		}
		for _, content := range []string{"", "engine", "engine x\n", "engine 0\n", "engine -1\n"} {
			path := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(path, "store.format"), []byte(content), 0o600))
			require.ErrorIs(t, enter(t, path, 1), rows.ErrCorrupt, content)
		}
	})
	t.Run("a mark that was cut off counts as one", func(t *testing.T) {
		path := t.TempDir()
		require.NoError(t, enter(t, path, 1))
		require.NoError(t, os.WriteFile(filepath.Join(path, "store.opening"), nil, 0o600))
		d, report, err := datadir.Enter(path, "engine", 1)
		require.NoError(t, err)
		require.Equal(t, 1, report.FailedBefore)
		require.NoError(t, d.Leave())
	})
}
