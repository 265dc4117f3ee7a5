package nodetest

import (
	"os"
	"os/exec"

	"github.com/stretchr/testify/require"
)

// Copy copies a directory with all it says about its files, as "cp -a" does. The destination must not exist.
func (s *Shop) Copy(from, to string) {
	s.t.Helper()
	out, err := exec.Command("cp", "-a", from, to).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// PutBack makes the content of a directory that of a copy, as a restore in place does; the directory itself stays the same.
func (s *Shop) PutBack(from, to string) {
	s.t.Helper()
	entries, err := os.ReadDir(to)
	require.NoError(s.t, err)
	for _, e := range entries {
		require.NoError(s.t, os.RemoveAll(to+"/"+e.Name()))
	}
	out, err := exec.Command("cp", "-a", from+"/.", to+"/").CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// Elsewhere prepares a till that runs on these data at a place of its own, as a machine that somebody copied a data directory
// to. It is not yet part of the shop.
func (s *Shop) Elsewhere(data, state string) *Till {
	s.t.Helper()
	till := s.NewTill()
	till.Data, till.State = data, state
	return till
}
