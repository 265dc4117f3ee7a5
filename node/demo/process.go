package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// stopTime is how long one may take to stop before it is killed.
	stopTime = 10 * time.Second
	// commandTime bounds a command that ends by itself.
	commandTime = 20 * time.Second
)

// launcher starts processes from one thread that lives as long as the launcher: Linux kills the children when the
// thread that started them ends, not the process.
type launcher struct {
	name    string // of the program, in errors
	program string
	state   string // where tills keep what they know of their machine; empty: where real ones do
	without string // beginning of the environment's names that are kept from it; empty: nothing is
	starts  chan start
}

type start struct {
	cmd  *exec.Cmd
	done chan<- error
}

// run serves start until ctx is done.
func (l *launcher) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case s := <-l.starts:
			s.done <- s.cmd.Start()
		case <-ctx.Done():
			return
		}
	}
}

// start starts a command that ends with this program, whatever ends it.
func (l *launcher) start(ctx context.Context, cmd *exec.Cmd) error {
	dieWithParent(cmd)
	done := make(chan error, 1)
	select {
	case l.starts <- start{cmd, done}:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// environment is that of every process.
func (l *launcher) environment() []string {
	env := os.Environ()
	if l.without != "" {
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, l.without) })
	}
	if l.state != "" {
		env = append(env, "TILLMESH_STATE="+l.state)
	}
	return env
}

// command runs the program with these arguments to its end and returns what it printed.
func (l *launcher) command(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Env = l.environment()
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	cmd.WaitDelay = time.Second
	err := l.start(ctx, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", l.name, args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}

// process is a till or the cloud while it runs.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended, after done
}

// spawn starts the program with these arguments; what it prints is added to the file log.
func (l *launcher) spawn(ctx context.Context, log string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of a process: %w", err)
	}
	p := &process{cmd: exec.Command(l.program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.Env = l.environment()
	if err := l.start(ctx, p.cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w", l.name, args[0], err), f.Close())
	}
	if err := f.Close(); err != nil { // the process has its own
		return nil, errors.Join(fmt.Errorf("log of a process: %w", err), p.cmd.Process.Kill(), p.cmd.Wait())
	}
	go func() { // ends with the process, and whoever stops it waits for done
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends the process as a power cut would and waits for its end.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// stop asks the process to end, waits, and kills it when it does not. An exit code other than 0 is an error.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, p.kill()) // a system without signals
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		return errors.Join(fmt.Errorf("it did not stop within %v and was killed", stopTime), p.kill())
	}
}
