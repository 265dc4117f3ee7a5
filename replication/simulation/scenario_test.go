package simulation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/simulation"
)

// said is what the verbs of these tests work on: it remembers what was called.
type said struct {
	w    *simulation.World
	list []string
}

func verbs() simulation.Verbs[*said] {
	note := func(s *said, a simulation.Args) error {
		s.list = append(s.list, simulation.FormatTime(s.w.Elapsed())+" "+a.Subject+" "+strings.Join(a.Words, ","))
		return nil
	}
	return simulation.Verbs[*said]{
		"cut":   {Params: "word word [time]", Do: note},
		"sells": {Params: "subject [int]", Do: note},
		"tills": {Params: "word...", Do: note},
		"pause": {Params: "time", Do: func(s *said, a simulation.Args) error { s.w.RunFor(a.Time(0, 0)); return nil }},
		"fails": {Do: func(*said, simulation.Args) error { return errTest }},
		"break": {Do: func(s *said, _ simulation.Args) error { s.w.Fail("it broke"); return nil }},
	}
}

var errTest = &testError{}

type testError struct{}

func (*testError) Error() string { return "it went wrong" }

func newWorld(t *testing.T) *simulation.World {
	t.Helper()
	w, err := simulation.NewWorld(simulation.Options{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

func TestScenarioRuns(t *testing.T) {
	s, err := simulation.ParseScenario("demo", `
# nothing
tills K1 K2   # two of them
at 10s cut K1 K2 1h30m
K2 sells 5
after 5m K1 sells
pause 1d
at 2d cut K1 K2
`, verbs())
	require.NoError(t, err)
	on := &said{w: newWorld(t)}
	require.NoError(t, s.Run(on.w, on))
	require.Equal(t, []string{"0s  K1,K2", "10s  K1,K2,1h30m", "10s K2 5", "5m10s K1 ", "2d  K1,K2"}, on.list)
	again, err := simulation.ParseScenario("demo", s.String(), verbs())
	require.NoError(t, err)
	require.Equal(t, s.String(), again.String())
}

func TestScenarioErrorsNameTheirLines(t *testing.T) {
	for text, want := range map[string]string{
		"jump":                        `demo:1: the scenario cannot be read: there is no statement "jump"`,
		"\n\nK1 jumps far":            `demo:3: the scenario cannot be read: there is no statement "K1 jumps"`,
		"cut K1":                      `demo:1: the scenario cannot be read: a word is missing; it is written: cut word word [time]`,
		"cut K1 K2 5 minutes":         `"5" is no length of time`,
		"cut K1 K2 5m now":            `"now" is one word too many`,
		"K1 sells many":               `"many" is no number; it is written: NAME sells [int]`,
		"at 5s":                       `"at" needs a time and a statement`,
		"at noon cut K1 K2":           `"noon" is no length of time`,
		"at 5s cut A B\nat 4s fails":  `demo:2: the scenario cannot be read: it goes back in time, the statement before is at 5s`,
		"sells K1":                    `there is no statement "sells K1"`,
		"at 1s\nK1 sells x\nnonsense": "demo:3:",
	} {
		_, err := simulation.ParseScenario("demo", text, verbs())
		require.ErrorIs(t, err, simulation.ErrScenario, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestScenarioEndsAtTheFirstError(t *testing.T) {
	for text, want := range map[string]string{
		"K1 sells 1\nfails\nK1 sells 2":       "demo:2: fails: it went wrong",
		"K1 sells 1\nbreak\nK1 sells 2":       "it broke",
		"K1 sells 1\nat 9s break\nK1 sells 2": "after 9s: it broke",
	} {
		s, err := simulation.ParseScenario("demo", text, verbs())
		require.NoError(t, err)
		on := &said{w: newWorld(t)}
		require.ErrorContains(t, s.Run(on.w, on), want)
		require.Len(t, on.list, 1)
	}
}

func TestTimes(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "3d": 3 * day, "2w": 14 * day, "1y": 365 * day,
		"1d12h": 36 * time.Hour, "-26h": -26 * time.Hour, "-1d": -day, "1.5s": 1500 * time.Millisecond,
	} {
		got, err := simulation.ParseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		back, err := simulation.ParseTime(simulation.FormatTime(got))
		require.NoError(t, err)
		require.Equal(t, got, back)
	}
	for _, text := range []string{"", "5", "d", "-", "1h-5m", "--5s", "1000y", "99999999999999d", "1d1d", "5parsecs"} {
		_, err := simulation.ParseTime(text)
		require.Error(t, err, text)
	}
}

// FuzzParseScenario: whatever the text, there is a scenario or an error, and what was read is written as it is read.
func FuzzParseScenario(f *testing.F) {
	f.Add("tills K1 K2\nat 10s cut K1 K2 5m # why\nafter 1y K1 sells 5\npause -3d")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := simulation.ParseScenario("fuzz", text, verbs())
		if err != nil {
			require.ErrorIs(t, err, simulation.ErrScenario)
			return
		}
		again, err := simulation.ParseScenario("fuzz", s.String(), verbs())
		require.NoError(t, err)
		require.Equal(t, s.String(), again.String())
	})
}
