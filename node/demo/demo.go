package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// How many tills a demo can have. The play needs three; more than five only take longer to start.
const (
	FewestTills = 3
	MostTills   = 5
)

// Options say what to show.
type Options struct {
	// Program is the path of the program till, which is started for every till.
	Program string
	// Cloud is the path of the program cloud. If it is not there, the play says so and goes on without it; empty: it shows no cloud.
	Cloud string
	// Tills is their number, from FewestTills to MostTills.
	Tills int
	// Once ends the demo after the play; otherwise the shop stays up until the context is done.
	Once bool
	// Keep is the directory for stores and logs: it must be empty or missing, and stays. Empty means a temporary one
	// that is removed at the end.
	Keep string
	// Out gets what happens: lines for people or, if JSON is set, one JSON object per line.
	Out  io.Writer
	JSON bool
}

// StepError says which step did not hold.
type StepError struct {
	// Step is its number from 1, zero while the shop was set up; Name is its short name.
	Step int
	Name string
	Err  error
}

// Error names the step.
func (e *StepError) Error() string {
	if e.Step == 0 {
		return fmt.Sprintf("the shop of the demo could not be set up: %v", e.Err)
	}
	return fmt.Sprintf("step %d of the demo (%s) did not hold: %v", e.Step, e.Name, e.Err)
}

// Hint says what to do next.
func (e *StepError) Hint() string {
	return "look at the end of the logs above; \"till demo --keep DIR\" keeps the stores and whole logs"
}

// Unwrap returns what went wrong.
func (e *StepError) Unwrap() error { return e.Err }

// ErrInterrupted means that the context was done before the play was over.
var ErrInterrupted = errors.New("the demo was stopped before it was over")

// Run starts the shop, shows the play and stops everything again. It returns nil only if every step held, a
// [*StepError] if one did not.
func Run(ctx context.Context, o Options) (err error) {
	if o.Tills < FewestTills || o.Tills > MostTills {
		return fmt.Errorf("a demo has %d to %d tills, not %d", FewestTills, MostTills, o.Tills)
	}
	dir, remove, err := makeDir(o.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	r := &reporter{out: o.Out, json: o.JSON}
	if why := noCloud(o.Cloud); why != "" {
		r.print(line{Kind: "note", Text: why, OK: true})
		o.Cloud = ""
	}
	s, err := newShop(dir, o, r)
	if err != nil {
		return err
	}

	// What carries the tills outlives ctx: they are stopped in order first.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	playing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var tasks sync.WaitGroup
	failing := func(task func() error) {
		tasks.Go(func() {
			if err := task(); err != nil {
				fail(err)
			}
		})
	}
	tasks.Go(func() { s.launcher.run(life) })
	failing(func() error { return s.relays.run(life) })
	if s.cloud != nil {
		failing(func() error { return s.cloud.internet.run(life) })
	}

	err = s.show(playing, o.Once, func(t *till) { failing(func() error { return t.watch(playing) }) })
	fail(nil)
	err = errors.Join(err, s.stop())
	end()
	tasks.Wait()
	return errors.Join(err, s.report.failed())
}

// show sets the shop up, plays, and stays up until ctx is done unless once is set.
func (s *shop) show(ctx context.Context, once bool, watch func(*till)) error {
	if err := s.setUp(ctx); err != nil {
		return s.explain(ctx, 0, "set up", err)
	}
	for _, t := range s.tills {
		watch(t)
	}
	if err := s.play(ctx); err != nil {
		return err
	}
	if once {
		return nil
	}
	s.report.print(line{Kind: "up", OK: true, Tills: s.places(), Cloud: s.cloud.place(),
		Text: "every step held; the shop stays up until you press Ctrl-C:"})
	return s.stayUp(ctx)
}

// stayUp waits until ctx is done, which is no error, or a till or the cloud ends by itself.
func (s *shop) stayUp(ctx context.Context) error {
	ended := make(chan error, len(s.tills)+1)
	var waits sync.WaitGroup
	defer waits.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, t := range s.tills {
		waits.Go(func() {
			select {
			case <-t.proc.done:
				ended <- t.at(fmt.Errorf("it ended by itself: %w", errors.Join(errEnded, t.proc.err)))
			case <-ctx.Done():
			}
		})
	}
	if s.cloud != nil {
		waits.Go(func() {
			select {
			case <-s.cloud.proc.done:
				ended <- s.cloud.ended()
			case <-ctx.Done():
			}
		})
	}
	select {
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return cause
		}
		return nil
	case err := <-ended:
		return s.explain(ctx, 0, "stay up", err)
	}
}

var errEnded = errors.New("its process is gone")

// explain makes the error of a step and shows the ends of the logs that matter.
func (s *shop) explain(ctx context.Context, step int, name string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.Canceled) {
			return ErrInterrupted
		}
		err = cause // a part of the demo failed, and the step only because of it
	}
	l := line{Kind: "step", Step: step, Name: name, Text: name, Error: err.Error(), Logs: make(map[string][]string)}
	if step == 0 {
		l.Kind = "setup"
	}
	for name, log := range s.logs(err) {
		lines, tailErr := tailOf(log)
		switch {
		case errors.Is(tailErr, os.ErrNotExist): // it was never started
		case tailErr != nil:
			l.Logs[name] = []string{"the log cannot be read: " + tailErr.Error()}
		default:
			l.Logs[name] = lines
		}
	}
	s.report.print(l)
	return &StepError{Step: step, Name: name, Err: err}
}

// logs are the files that matter for an error, by who wrote them: of one till, or of all; and of the cloud, whoever waited for it.
func (s *shop) logs(err error) map[string]string {
	out := make(map[string]string)
	if s.cloud != nil {
		out["the cloud"] = s.cloud.log
	}
	if _, ok := errors.AsType[*cloudError](err); ok {
		return out
	}
	matter := s.tills
	if e, ok := errors.AsType[*tillError](err); ok {
		matter = []*till{e.till}
	}
	for _, t := range matter {
		out[t.name] = t.log
	}
	return out
}

// makeDir makes the directory of the demo and says how to clean up.
func makeDir(keep string) (dir string, remove func() error, err error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "till-demo-")
		if err != nil {
			return "", nil, fmt.Errorf("make a directory for the demo: %w", err)
		}
		return dir, func() error {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove the directory of the demo: %w", err)
			}
			return nil
		}, nil
	}
	if dir, err = filepath.Abs(keep); err != nil {
		return "", nil, fmt.Errorf("directory of the demo: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make a directory for the demo: %w", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("look into the directory of the demo: %w", err)
	}
	if len(list) > 0 {
		return "", nil, fmt.Errorf("%s is not empty, name another directory for the demo", dir)
	}
	return dir, func() error { return nil }, nil
}
