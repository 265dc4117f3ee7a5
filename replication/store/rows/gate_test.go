package rows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestGateStaysShutAfterAFailure(t *testing.T) {
	failed := fmt.Errorf("commit: %w", rows.ErrFailed)
	harmless := fmt.Errorf("commit: %w", rows.ErrFull)
	nothing := func() error { return nil }
	never := func() error { t.Error("a failed store runs nothing"); return nil }
	for name, call := range map[string]func(*rows.Gate, func() error) error{
		"read":  func(g *rows.Gate, f func() error) error { return g.Read(t.Context(), f) },
		"write": func(g *rows.Gate, f func() error) error { return g.Write(t.Context(), f) },
	} {
		t.Run(name, func(t *testing.T) {
			var g rows.Gate
			require.Equal(t, harmless, call(&g, func() error { return harmless }))
			require.NoError(t, call(&g, nothing))
			require.Equal(t, failed, call(&g, func() error { return failed }))
			require.Equal(t, failed, g.Read(t.Context(), never))
			require.Equal(t, failed, g.Write(t.Context(), never))
			require.NoError(t, g.Close(nothing))
		})
	}
}

// Those that wait may or may not have passed the first look at the failure, so there are many.
func TestGateRefusesWhatWaitedForAWriteThatFailed(t *testing.T) {
	const waiting = 64
	var g rows.Gate
	started, done := make(chan struct{}), make(chan error, waiting)
	err := g.Write(t.Context(), func() error {
		for range waiting {
			go func() {
				started <- struct{}{}
				done <- g.Write(t.Context(), func() error { t.Error("it ran after a failure"); return nil })
			}()
		}
		for range waiting {
			<-started
		}
		return rows.ErrFailed
	})
	require.Equal(t, rows.ErrFailed, err)
	for range waiting {
		require.Equal(t, rows.ErrFailed, <-done)
	}
}

func TestGateReadsBesideAWrite(t *testing.T) {
	var g rows.Gate
	require.NoError(t, g.Write(t.Context(), func() error {
		return g.Read(t.Context(), func() error { return nil })
	}))
}

func TestGateCloses(t *testing.T) {
	var g rows.Gate
	nothing := func() error { return nil }
	ended, done := errors.New("the engine complained"), make(chan error, 1)
	running, finish := make(chan struct{}), make(chan struct{})
	finished := false
	go func() {
		done <- g.Read(t.Context(), func() error {
			close(running)
			<-finish
			finished = true
			return nil
		})
	}()
	<-running
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.Read(cancelled, nothing), context.Canceled)
	require.ErrorIs(t, g.Write(cancelled, nothing), context.Canceled)

	close(finish)
	require.Equal(t, ended, g.Close(func() error {
		require.True(t, finished, "Close waits for the calls that run")
		return ended
	}))
	require.NoError(t, <-done)
	require.NoError(t, g.Close(func() error { return ended }), "the second one ends nothing")
	require.ErrorIs(t, g.Read(t.Context(), nothing), rows.ErrClosed)
	require.ErrorIs(t, g.Write(t.Context(), nothing), rows.ErrClosed)
}
