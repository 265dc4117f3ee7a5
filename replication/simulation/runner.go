package simulation

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Result tells how a run of the package's own shop went.
type Result struct {
	Hash    [32]byte // over everything that happened, in order
	Tills   int
	Counts  Counts
	Faults  map[string]int // how often each happened, by name
	Settled time.Duration  // virtual time from the end of the faults to equality
}

// Run says what to run of a Runner.
type Run struct {
	Seed  uint64
	Plant Plant     // a mistake to be noticed; PlantNone: none
	Trace io.Writer // where to write what happens, in plain words; nil: nowhere
}

// Runner runs seeds, one at a time. It is not safe for concurrent use; several may run at once.
type Runner struct {
	codec *Codec
	verbs Verbs[script]
}

// NewRunner returns a runner. Call Close when done.
func NewRunner() (*Runner, error) {
	c, err := NewCodec()
	if err != nil {
		return nil, err
	}
	return &Runner{codec: c, verbs: branchVerbs()}, nil
}

// Close releases what the runner holds.
func (r *Runner) Close() { r.codec.Close() }

// Run runs one seed: what it plans, and what chance makes of it. The error wraps ErrViolation if a rule was broken.
func (r *Runner) Run(o Run) (Result, error) {
	return r.run(o, newPlan(o.Seed, o.Plant))
}

func (r *Runner) run(o Run, list []Statement) (Result, error) {
	return r.scenario(o, &Scenario[script]{Name: fmt.Sprintf("seed %d", o.Seed), Statements: list, verbs: r.verbs})
}

func (r *Runner) scenario(o Run, s *Scenario[script]) (result Result, err error) {
	w, err := NewWorld(Options{Seed: o.Seed, Plant: o.Plant, Trace: o.Trace, Codec: r.codec})
	if err != nil {
		return Result{}, err
	}
	b := newBranch(w)
	err = s.Run(w, b)
	result = Result{Hash: w.Hash(), Tills: len(w.machines), Settled: b.settled}
	result.Counts, result.Faults = w.Counts()
	for _, l := range w.running() {
		result.Counts.Claims += int(l.core.Stats().Claims)
	}
	return result, err
}

// Scenario runs a text of statements, see [ParseScenario] and [Help]. A statement "seed N" or "plant NAME" counts for all of
// it; what o says of both is passed over.
func (r *Runner) Scenario(name, text string, o Run) (Result, error) {
	s, err := ParseScenario(name, text, r.verbs)
	if err != nil {
		return Result{}, err
	}
	for _, st := range s.Statements {
		switch st.Verb {
		case "seed":
			o.Seed = uint64(st.Args.Int(0, 0))
		case "plant":
			if o.Plant, err = ParsePlant(strings.Join(st.Args.Words, " ")); err != nil {
				return Result{}, fmt.Errorf("%s:%d: %w: %w", name, st.Line, ErrScenario, err)
			}
		}
	}
	return r.scenario(o, s)
}
