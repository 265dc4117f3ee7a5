package whole

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

var (
	long     = flag.Bool("long", false, "replay long scenarios, too")
	scenario = flag.String("scenario", "", "replay this scenario only, and print what happens")
)

// able is what the simulated till can do that a scenario may need. What is missing here is not built yet; its scenario is
// read, and waits.
var able = map[string]bool{"revocation": true, "clock": true, "disk": true, "lineage": true}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if *scenario != "" && !strings.Contains(file, *scenario) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { replay(t, file) })
	}
}

func replay(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	sc, err := simulation.ParseScenario(filepath.Base(file), string(text), Verbs())
	var o Options
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "needs" && !able[words[1]] {
			t.Skipf("the till cannot yet do what it needs: %s", words[1])
		}
		if len(words) == 1 && words[0] == "long" && !*long && *scenario == "" {
			t.Skip("it takes its time: run it with -args -long")
		}
	}
	require.NoError(t, err)
	for _, st := range sc.Statements {
		if st.Verb == "seed" {
			o.Seed = uint64(st.Args.Int(0, 0))
		}
	}
	if *scenario != "" {
		o.Trace = os.Stdout
	}
	Run(t, o, func(s *Shop) {
		script := NewScript(s)
		if err := sc.Run(s.W, script); err != nil {
			t.Errorf("%v\nreplay with: go test ./node/nodetest/whole -run '^TestScenarios$' -v -args -scenario=%s", err, filepath.Base(file))
		}
	})
}
