package simulation_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

// TestScenariosAreDocumented: SCENARIOS.md has the verbs as they are.
func TestScenariosAreDocumented(t *testing.T) {
	text, err := os.ReadFile("SCENARIOS.md")
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(simulation.Help()), "\n") {
		require.Contains(t, string(text), strings.TrimRight(line, " "))
	}
}
