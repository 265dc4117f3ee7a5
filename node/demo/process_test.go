package demo

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// shell is a launcher of /bin/sh.
func shell(t *testing.T) *launcher {
	t.Helper()
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here")
	}
	l := &launcher{name: "sh", program: program, starts: make(chan start)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	return l
}

func TestCommands(t *testing.T) {
	l := shell(t)
	out, err := l.command(t.Context(), "-c", "echo out; echo problem >&2")
	require.NoError(t, err)
	require.Equal(t, "out\n", string(out))
	_, err = l.command(t.Context(), "-c", "echo out; echo problem >&2; exit 3")
	require.ErrorContains(t, err, "exit status 3: problem")
}

func TestAProcessStopsWhenAskedTo(t *testing.T) {
	l := shell(t)
	log := filepath.Join(t.TempDir(), "log")
	p, err := l.spawn(t.Context(), log, "-c", `trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.02; done`)
	require.NoError(t, err)
	me := &till{log: log, proc: p, bell: newBell()}
	err = me.await(t.Context(), "it is up", func(context.Context) (bool, error) {
		lines, err := me.tail()
		return len(lines) > 0 && lines[0] == "up", err
	})
	require.NoError(t, err)
	require.True(t, me.running())
	require.NoError(t, p.stop())
	require.False(t, me.running())
	lines, err := me.tail()
	require.NoError(t, err)
	require.Equal(t, []string{"up", "bye"}, lines)
}

func TestAKilledProcessIsGone(t *testing.T) {
	l := shell(t)
	p, err := l.spawn(t.Context(), filepath.Join(t.TempDir(), "log"), "-c", "while :; do sleep 0.02; done")
	require.NoError(t, err)
	require.NoError(t, p.kill())
	require.ErrorContains(t, p.err, "killed")
	require.NoError(t, p.kill(), "once more is no error")
}

func TestAwaitTellsThatTheTillEnded(t *testing.T) {
	l := shell(t)
	p, err := l.spawn(t.Context(), filepath.Join(t.TempDir(), "log"), "-c", "exit 7")
	require.NoError(t, err)
	me := &till{name: "Kasse 1", proc: p, bell: newBell()}
	err = me.await(t.Context(), "it answers", func(context.Context) (bool, error) { return false, nil })
	require.ErrorContains(t, err, "Kasse 1: it ended by itself while the demo waited until it answers: exit status 7")
}

func TestDirectories(t *testing.T) {
	dir, remove, err := makeDir("")
	require.NoError(t, err)
	require.DirExists(t, dir)
	require.NoError(t, remove())
	require.NoDirExists(t, dir)

	keep := filepath.Join(t.TempDir(), "a", "b")
	dir, remove, err = makeDir(keep)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	require.NoError(t, remove())
	require.FileExists(t, filepath.Join(keep, "x"))
	_, _, err = makeDir(keep)
	require.ErrorContains(t, err, "is not empty")
}
