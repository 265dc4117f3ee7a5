//go:build unix

package nodetest

import (
	"syscall"

	"github.com/stretchr/testify/require"
)

// Freeze stops the till in the middle of what it does, as a machine that hangs; its connections stay.
func (till *Till) Freeze() {
	till.shop.t.Helper()
	require.NoError(till.shop.t, till.process.cmd.Process.Signal(syscall.SIGSTOP), "freeze %s", till.Name)
}

// Thaw lets it go on.
func (till *Till) Thaw() {
	till.shop.t.Helper()
	require.NoError(till.shop.t, till.process.cmd.Process.Signal(syscall.SIGCONT), "thaw %s", till.Name)
}
