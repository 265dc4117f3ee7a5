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
	// EnvProgram names a till program to test instead of building one, EnvCloudProgram a cloud program.
	EnvProgram      = "TILL_BINARY"
	EnvCloudProgram = "CLOUD_BINARY"
	// EnvRequire, set to 1, makes tests fail that would be skipped because the machine lacks something.
	EnvRequire = "TILLMESH_REQUIRE"
	// EnvFull, set to 1, makes tests run with whole data sets.
	EnvFull = "TILLMESH_FULL"
)

// The programs of this test process.
var (
	tills  = program{name: "till", env: EnvProgram}
	clouds = program{name: "cloud", env: EnvCloudProgram}
)

// program is built when it is first asked for.
type program struct {
	name, env string
	once      sync.Once
	dir       string // to be removed, empty if the program was given
	path      string
	err       error
}

// Main runs the tests and removes what [Program] and [CloudProgram] made: os.Exit(nodetest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	for _, p := range []*program{&tills, &clouds} {
		if p.dir == "" {
			continue
		}
		if err := os.RemoveAll(p.dir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the program that was tested:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Program returns the path of the till program: the one [EnvProgram] names, else one that is built once for this test
// process, with the race detector if the test has it.
func Program(t testing.TB) string {
	t.Helper()
	return tills.get(t)
}

// CloudProgram is the same for the cloud, with [EnvCloudProgram].
func CloudProgram(t testing.TB) string {
	t.Helper()
	return clouds.get(t)
}

func (p *program) get(t testing.TB) string {
	t.Helper()
	p.once.Do(p.build)
	require.NoError(t, p.err)
	return p.path
}

func (p *program) build() {
	if given := os.Getenv(p.env); given != "" {
		p.path, p.err = filepath.Abs(given)
		return
	}
	if p.dir, p.err = os.MkdirTemp("", "nodetest-"); p.err != nil {
		return
	}
	p.path = filepath.Join(p.dir, p.name)
	cmd := exec.Command("go", "build", "-o", p.path) // what the tests compiled is not compiled again
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if raceDetector {
		cmd.Args = append(cmd.Args, "-race")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	cmd.Args = append(cmd.Args, "github.com/tillmesh/tillmesh/cmd/"+p.name)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.err = fmt.Errorf("build the %s: %w: %s", p.name, err, out)
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
