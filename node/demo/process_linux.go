package demo

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end cmd with the thread that starts it. A process group of its own keeps Ctrl-C in the
// terminal from the tills: the demo stops them in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
