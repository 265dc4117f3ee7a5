package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	// EnvProgram names a till program to test instead of building one.
	EnvProgram = "TILL_BINARY"
	// EnvRequire, set to 1, makes tests fail that would be skipped because the machine lacks something.
	EnvRequire = "TILLMESH_REQUIRE"
	// EnvFull, set to 1, makes tests run with whole data sets.
	EnvFull = "TILLMESH_FULL"
)

// built is the program of this test process.
var built struct {
	once sync.Once
	dir  string // to be removed, empty if the program was given
	path string
	err  error
}

// Main runs the tests and removes what [Program] made: os.Exit(nodetest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the program that was tested:", err)
			return max(code, 1)
		}
	}
	return code
}

// Program returns the path of the till program: the one [EnvProgram] names, else one that is built once for this test
// process, with the race detector if the test has it.
func Program(t testing.TB) string {
	t.Helper()
	built.once.Do(build)
	require.NoError(t, built.err)
	return built.path
}

func build() {
	if given := os.Getenv(EnvProgram); given != "" {
		built.path, built.err = filepath.Abs(given)
		return
	}
	if built.dir, built.err = os.MkdirTemp("", "nodetest-"); built.err != nil {
		return
	}
	built.path = filepath.Join(built.dir, "till")
	cmd := exec.Command("go", "build", "-trimpath", "-o", built.path)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if raceDetector {
		cmd.Args = append(cmd.Args, "-race")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	cmd.Args = append(cmd.Args, "github.com/tillmesh/tillmesh/cmd/till")
	if out, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("build the till: %w: %s", err, out)
	}
}

// Lacks skips the test because the machine lacks something, or fails it if [EnvRequire] is 1.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(EnvRequire) == "1" {
		t.Fatalf("%s=1, but %s", EnvRequire, what)
	}
	t.Skip(what)
}
