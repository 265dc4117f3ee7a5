package demo

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// notATill is a program that does what sh says, whatever its arguments.
func notATill(t *testing.T, does string) string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell here")
	}
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+does+"\n"), 0o700))
	return path
}

func TestADemoThatFailsSaysWhereAndLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out bytes.Buffer
	err := Run(t.Context(), Options{Program: notATill(t, "echo broken >&2; exit 1"), Tills: 3, Once: true, Out: &out})
	var step *StepError
	require.ErrorAs(t, err, &step)
	require.Zero(t, step.Step)
	require.ErrorContains(t, err, "Kasse 1 founds the shop")
	require.ErrorContains(t, err, "till init: exit status 1: broken")
	require.Contains(t, step.Hint(), "--keep")
	require.Contains(t, out.String(), "FAILED")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestADemoCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, Options{Program: notATill(t, "exit 0"), Tills: 3, Out: &bytes.Buffer{}})
	require.ErrorIs(t, err, ErrInterrupted)
}

func TestADemoHasThreeToFiveTills(t *testing.T) {
	for _, n := range []int{0, 2, 6} {
		require.ErrorContains(t, Run(t.Context(), Options{Tills: n}), "3 to 5 tills")
	}
}
