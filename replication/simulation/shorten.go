package simulation

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	shortenRuns = 200 // about how often a plan is tried again while it is made shorter
	traceLines  = 60  // how many of the last lines of the trace are shown
)

// Failure is a run that broke a rule, made as short as could be found.
type Failure struct {
	Run      Run
	Err      error    // of the short run
	Scenario string   // what the short run does; Runner.Scenario runs it
	Dropped  int      // statements of the plan that the failure does not need
	Trace    []string // the end of the short run, in plain words
}

// Error returns all that is needed to look at the failure.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n\nreplay all of it: %s\nor save these lines as a scenario (%d others are not needed) and run it with -scenario=FILE:\n\n",
		f.Err, f.Replay(), f.Dropped)
	b.WriteString(f.Scenario)
	fmt.Fprintf(&b, "\nthe last %d lines of its trace:\n", len(f.Trace))
	for _, line := range f.Trace {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Unwrap returns the error of the short run.
func (f *Failure) Unwrap() error { return f.Err }

// Replay returns the command that runs the seed again and prints what happens.
func (f *Failure) Replay() string {
	cmd := fmt.Sprintf("go test ./replication/simulation -run '^TestSeeds$' -v -seed=%d", f.Run.Seed)
	if f.Run.Plant != PlantNone {
		cmd += fmt.Sprintf(" -plant=%q", f.Run.Plant)
	}
	return cmd
}

// Shorten drops statements from the plan of a run that broke a rule as long as some rule is broken without them. It
// returns nil if the run breaks none.
func (r *Runner) Shorten(o Run) *Failure {
	o.Trace = nil
	full := newPlan(o.Seed, o.Plant)
	list, err := full, error(nil)
	if _, err = r.run(o, list); !errors.Is(err, ErrViolation) {
		return nil
	}
	tries := 0
	broken := func(list []Statement) bool {
		tries++
		_, again := r.run(o, list)
		if errors.Is(again, ErrViolation) {
			err = again
			return true
		}
		return false
	}
	for size := len(list) / 2; size > 0 && tries < shortenRuns; size /= 2 {
		for at := 0; at < len(list) && tries < shortenRuns; {
			end := min(at+size, len(list))
			if shorter := without(list, at, end); len(shorter) < len(list) && broken(shorter) {
				list = shorter
				continue
			}
			at = end
		}
	}
	var trace bytes.Buffer
	o.Trace = &trace
	_, err = r.run(o, list)
	o.Trace = nil
	lines := strings.Split(strings.TrimSpace(trace.String()), "\n")
	return &Failure{
		Run: o, Err: err, Scenario: planText(o.Seed, o.Plant, list), Dropped: len(full) - len(list),
		Trace: lines[max(0, len(lines)-traceLines):],
	}
}

// without returns a plan without some of its statements; what every plan needs stays.
func without(list []Statement, from, to int) []Statement {
	out := slices.Clone(list[:from])
	for i, st := range list[from:to] {
		if st.Verb == "tills" || st.Verb == "conditions" || st.Verb == "audit" || from+i == len(list)-1 {
			out = append(out, st)
		}
	}
	return append(out, list[to:]...)
}
