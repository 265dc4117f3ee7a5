//go:build linux

package nodetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// orphanEnv makes the test program start a process and die without ending it.
const orphanEnv = "NODETEST_ORPHAN_LOG"

func leaveOrphan(log string) int {
	p, err := newLauncher().spawn(log, []string{"sleep", "600"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(p.Pid())
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		fmt.Println(err)
	}
	return 1
}

func TestNoProcessOutlivesTheTestProgram(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanEnv+"="+filepath.Join(t.TempDir(), "log"))
	out, err := cmd.Output()
	require.ErrorContains(t, err, "killed", "%s", out)
	status := filepath.Join("/proc", strings.TrimSpace(string(out)), "status")
	Eventually(t, Patience, "the orphan ends", func() error {
		b, err := os.ReadFile(status)
		if err != nil || strings.Contains(string(b), "State:\tZ") {
			return nil // gone, or dead and not yet collected
		}
		return fmt.Errorf("process %s runs", out)
	})
}

func TestProcess(t *testing.T) {
	t.Parallel()
	l := newLauncher()
	t.Cleanup(l.close)
	log := filepath.Join(t.TempDir(), "log")
	spawn := func(script string) *Process {
		before, err := os.ReadFile(log)
		require.True(t, err == nil || os.IsNotExist(err))
		p, err := l.spawn(log, []string{"sh", "-c", script})
		require.NoError(t, err)
		Eventually(t, Patience, "it speaks", func() error {
			now, err := os.ReadFile(log)
			if err == nil && len(now) == len(before) {
				err = errors.New("nothing yet")
			}
			return err
		})
		return p
	}

	obeys := spawn(`trap 'exit 0' TERM; echo started; while :; do sleep 0.01; done`)
	require.True(t, obeys.Running())
	require.NoError(t, obeys.Stop(Patience))
	require.False(t, obeys.Running())
	require.NoError(t, obeys.Stop(Patience), "what has ended is stopped")
	require.NoError(t, obeys.Kill())

	fails := spawn(`trap 'exit 3' TERM; echo started; while :; do sleep 0.01; done`)
	require.ErrorContains(t, fails.Stop(Patience), "exit status 3")

	deaf := spawn(`trap '' TERM; echo started; while :; do sleep 0.01; done`)
	require.ErrorContains(t, deaf.Stop(100*time.Millisecond), "did not end")
	require.False(t, deaf.Running(), "it was killed")

	out, err := l.run(t.Context(), []string{"sh", "-c", "echo out; echo err >&2; exit 3"})
	require.NoError(t, err)
	require.Equal(t, Output{3, "out\n", "err\n"}, out)
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = l.run(late, []string{"sleep", "600"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = l.run(t.Context(), []string{filepath.Join(t.TempDir(), "no program")})
	require.Error(t, err)
}
