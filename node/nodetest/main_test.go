//go:build linux

package nodetest

import (
	"os"
	"testing"
)

// TestMain lets the test program play a test program that is killed.
func TestMain(m *testing.M) {
	if log := os.Getenv(orphanEnv); log != "" {
		os.Exit(leaveOrphan(log))
	}
	os.Exit(Main(m))
}
