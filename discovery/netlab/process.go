//go:build netns

package netlab

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// Process is a program running on a host. Its methods may be called from any goroutine.
type Process struct {
	host *Host
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the process has ended
	err  error         // of the process; read it after done
}

// Start starts a command on the host, with the environment of the test. It is killed at the end of the test.
func (h *Host) Start(command ...string) *Process { return h.StartWith(nil, command...) }

// StartWith starts a command on the host with additional environment variables, each NAME=VALUE.
func (h *Host) StartWith(environment []string, command ...string) *Process {
	h.lab.t.Helper()
	p := &Process{host: h, cmd: h.command(command), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// A child that inherited the pipes must not keep Wait from returning after the process itself ended.
	p.cmd.WaitDelay = time.Second
	require.NoError(h.lab.t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	h.lab.t.Cleanup(func() { p.Kill() })
	return p
}

// Kill ends the process as kill -9 does and waits for its end. It may be called again.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(s os.Signal) {
	select {
	case <-p.done:
		return
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil && err != os.ErrProcessDone {
		p.host.lab.t.Errorf("signal process %d: %v", p.cmd.Process.Pid, err)
	}
}

// Wait waits for the end of the process and returns its error as [exec.Cmd.Wait] does. After the given time the test
// fails with the output of the process.
func (p *Process) Wait(within time.Duration) error {
	p.host.lab.t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(within):
		p.host.lab.t.Fatalf("process did not end within %v; its output:\n%s", within, p.Output())
		return nil
	}
}

// Pid returns the process ID, of the command itself.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output returns what the process wrote so far to standard output and standard error.
func (p *Process) Output() string { return p.out.String() }

// output is a buffer that is written and read at the same time.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
