package node

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/health"
)

// A screen that asks the doctor again and again does not make the till dial again and again.
func TestExamineTriesAtMostEveryTwoSeconds(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "till"), t.TempDir()
	_, err := Found(t.Context(), FoundOptions{Data: data, StateDir: state, Shop: "Test", Name: "Kasse 1"})
	require.NoError(t, err)
	now := time.Now()
	m, err := Open(t.Context(), Options{Data: data, StateDir: state, Listen: "127.0.0.1:0", NoMDNS: true, Environment: Environment{Now: func() time.Time { return now }}})
	require.NoError(t, err)
	tried := 0
	m.doctor.router = func(context.Context, health.Facts) health.Router {
		tried++
		return health.Router{}
	}
	for range 5 {
		m.Examine(t.Context())
	}
	require.Equal(t, 1, tried)
	now = now.Add(examineAgain)
	m.Examine(t.Context())
	require.Equal(t, 2, tried)
	require.NoError(t, m.Close())
}
