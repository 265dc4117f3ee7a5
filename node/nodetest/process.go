package nodetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// launcher starts processes from one thread that lives as long as the launcher: the kernel kills them when the thread
// that started them ends, and with it when the test program ends.
type launcher struct {
	starts chan func()
	done   sync.WaitGroup
}

func newLauncher() *launcher {
	l := &launcher{starts: make(chan func())}
	l.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for start := range l.starts {
			start()
		}
	})
	return l
}

// close ends the launcher. Nothing may be started afterwards.
func (l *launcher) close() {
	close(l.starts)
	l.done.Wait()
}

func (l *launcher) start(cmd *exec.Cmd) error {
	endWithParent(cmd)
	failed := make(chan error, 1)
	l.starts <- func() { failed <- cmd.Start() }
	return <-failed
}

// Process is a program that was started. Its methods may be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, after done
}

// spawn starts a command whose output is added to the file log.
func (l *launcher) spawn(log string, command []string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of a process: %w", err)
	}
	p := &Process{cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	err = l.start(p.cmd)
	if err := errors.Join(err, f.Close()); err != nil { // a process that runs has its own descriptor
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go func() { // ends with the process; whoever ends it waits for done
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Running reports whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends it as a power cut does (SIGKILL) and waits for its end.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks it to end (SIGTERM) and waits. An exit code other than 0, or none within the given time, is an error; then
// it is killed.
func (p *Process) Stop(within time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, p.Kill())
	}
	_, err := p.Wait(within)
	return err
}

// Wait waits for its end and returns the exit code. A code other than 0 is an error too. If it does not end within the
// given time it is killed.
func (p *Process) Wait(within time.Duration) (code int, err error) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), p.err
	case <-late.C:
		return -1, errors.Join(fmt.Errorf("it did not end within %v", within), p.Kill())
	}
}

// Pid returns the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what a command left that ran to its end.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// run runs a command to its end. An exit code is no error.
func (l *launcher) run(ctx context.Context, command []string) (Output, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := l.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	out := Output{Code: -1, Stdout: stdout.String(), Stderr: stderr.String()}
	if cmd.ProcessState != nil {
		out.Code = cmd.ProcessState.ExitCode()
	}
	if _, exited := errors.AsType[*exec.ExitError](err); exited && out.Code >= 0 {
		err = nil
	}
	return out, errors.Join(err, ctx.Err())
}
