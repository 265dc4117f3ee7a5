package simulation_test

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // worlds are small and short: memory is cheaper than collecting it
	os.Exit(m.Run())
}
